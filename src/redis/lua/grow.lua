-- grow: a lock on the subtree of a node in place of those that its client keeps on the node and
-- below it, if nothing else is held or waited for in its way. Else nothing has changed, and nobody
-- is recalled. Sent again it is the same grant.
--
-- ARGV: claim, token, path, lease, about (the rest of the record), and for each lock that goes:
-- token, and the last fencing token that the client has given to a user of it. Returns what acquire
-- returns for one that does not wait:
--   { GRANTED, fencing token, more }
--   { REFUSED, path, '', -1, more }
--   { CANCELLED }                     this request was late: the token was given back before
local REFUSED, GRANTED, CANCELLED = 0, 1, 4
local _, token, path, lease, about = unpack(ARGV, 1, 5)
lease = tonumber(lease)

local text = read_clock(token)
if text and sub(text, 1, 1) == '0' then
  return { CANCELLED }
end
if text then
  set_end(token, now + lease, true)
  return { GRANTED, parse(text).number, rest() }
end
reap(MAX_ASIDE)
local list = chain(path)
local held, gone = counts(NODES, list), {}
for i = 6, #ARGV, 2 do
  text = call('HGET', NODES, ARGV[i])
  local it = text and parse(text)
  if it and it.kind > 0 then
    leave_out(held, list, it)
    it.token, it.last = ARGV[i], tonumber(ARGV[i + 1])
    gone[#gone + 1] = it
  end
end
if grace > 0 or obstacle(held, #list, 1) or obstacle(counts(WAITING, list), #list, 1) then
  return { REFUSED, path, '', -1, rest() }
end
for _, it in ipairs(gone) do
  local at = chain(it.path)
  draw_up_to(it, it.last)
  ungrant(at, counts(NODES, at), it.token, it.kind)
end
return { GRANTED, grant(list, counts(NODES, list), token, 1, about, lease), rest() }
