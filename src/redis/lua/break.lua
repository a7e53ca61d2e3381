-- break: ends a held lock, whoever holds it, and hands over. Sent again it does nothing.
--
-- ARGV: claim, token, path, fencing token (0: whichever it has). Returns { 1 if it was held and its
-- time was not up, else 0; more }.
--
-- A tombstone is left for as long as the lease: whoever was handed the lock may claim it late, and
-- must not be granted it anew (I6). Its renewal then finds that it is not held.
local _, token, path, fence = unpack(ARGV)

read_clock()
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 or it.path ~= path or fence ~= '0' and it.number ~= tonumber(fence) then
  return { 0, false }
end
local left = time_left(token)
remove(token)
call('HSET', NODES, token, '0,0,0,0,0,,0,')
set_end(token, now + it.lease)
if it.client ~= '' then
  -- A hint: whoever listens need not wait for the renewal.
  post(it.client, token .. digits(',-%.0f', it.number))
end
return { left > 0 and 1 or 0, rest() }
