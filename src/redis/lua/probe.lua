-- probe: tries each command that the scripts and the client's listener use, on a key of its own, to
-- name those that the user has no permission for. Returns their names.
--
-- ARGV: client
local key = MAILBOX .. ARGV[1] .. ':probe'
local denied = {}
local function try(...)
  local reply = redis.pcall(...)
  local failed = type(reply) == 'table' and reply.err
  -- Redis 7.0 says that the user "can't run this command", later ones that it is an "ACL failure".
  if failed and (find(failed, "can't run", 1, true) or find(failed, 'ACL failure', 1, true) or find(failed, 'NOPERM', 1, true)) then
    denied[#denied + 1] = (...)
  end
end

try('TIME')
for _, command in ipairs({
  { 'HSET', '1', '1' }, { 'HGET', '1' }, { 'HMGET', '1' }, { 'HEXISTS', '1' }, { 'HDEL', '1' },
  { 'ZADD', '1', '1' }, { 'ZSCORE', '1' }, { 'ZRANGEBYSCORE', '0', '1' }, { 'ZRANGEBYLEX', '-', '+' }, { 'ZREM', '1' },
  { 'RPUSH', '1' }, { 'PEXPIRE', '1' },
}) do
  try(command[1], key, unpack(command, 2))
end
try('BLMPOP', '0', '1', key, 'LEFT')
if sub(ARGV[1], -1) == 's' then
  try('SPUBLISH', key, '')
end
return denied
