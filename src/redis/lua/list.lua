-- list: some of what is held, in the order of paths.
--
-- ARGV: claim, cursor (the last entry of the call before, empty at first). Returns { cursor, or
-- false after the last; then for each lock: path, kind, owner, time left, token if it outlived its
-- guard }.
local _, cursor = unpack(ARGV)
read_clock()
local entries = call('ZRANGEBYLEX', HOLDERS, cursor == '' and '-' or '(' .. cursor, '+', 'LIMIT', 0, MAX_SCANNED)
local reply = { entries[MAX_SCANNED] or false }
for _, entry in ipairs(entries) do
  local token = sub(entry, find(entry, '\0', 1, true) + 2)
  local it, left = parse(call('HGET', NODES, token)), time_left(token)
  if left > 0 then
    for _, value in ipairs({ it.path, it.kind, it.owner, left, it.client == '' and token or '' }) do
      reply[#reply + 1] = value
    end
  end
end
return reply
