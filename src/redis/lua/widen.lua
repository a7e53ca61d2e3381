-- widen: a held lock becomes one for the subtree of a node that is at its own or above it, if
-- nothing else is in the way there, held or waited for. Token and end stay. Sent again it does
-- nothing.
--
-- ARGV: claim, token, the last fencing token of the lock that its client knows, kind, about (the
-- rest of the record, which has the new path). Returns
--   { GRANTED, fencing token, more }             a new one, if the lock has changed
--   { REFUSED, path, owner, time left, more }    something is in the way; the lock is as it was
--   { AGAIN, path, owner, time left, more }      as for acquire
--   { KEPT, path, owner, time left, more }       as for acquire
--   { NOT_HELD, more }
--   { RAISED, fencing token, more }              as for upgrade
local REFUSED, GRANTED, AGAIN, NOT_HELD, KEPT, RAISED = 0, 1, 3, 4, 6, 7
local token, number, kind, to = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), read_member(ARGV[2], ARGV[4], ARGV[5])

read_clock()
reap(MAX_ASIDE)
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 or time_left(token) <= 0 then
  return { NOT_HELD, rest() }
end
if is_undone(token, it, number) then
  return { NOT_HELD, rest() }
end
if it.path == to.path and it.kind == kind then
  return { GRANTED, it.number, rest() }
end
if it.number > number then
  return { RAISED, it.number, rest() }
end
if kind <= 2 and it.kind > 2 then
  return { NOT_HELD, rest() } -- late: it was downgraded since
end
if drop_upgrade(token, chain(it.path)) then
  hand_over(it.path, true, '')
end
local _, _, at, owner, left, expired = look(to.list, kind, nil, it, token)
if at then
  local kept = not expired and recall(to.list, counts(NODES, to.list), kind, token, false)
  return { expired and AGAIN or kept and KEPT or REFUSED, at, owner, left, rest() }
end
local list = chain(it.path)
add(NODES, list, counts(NODES, list), it.kind, -1)
add(NODES, to.list, counts(NODES, to.list), kind, 1)
local fence = next_tick()
call('HSET', NODES, token, record(kind, fence, it.version, to.about))
call('ZREM', HOLDERS, place(it.path, it.kind, token))
call('ZADD', HOLDERS, 0, place(to.path, kind, token))
return { GRANTED, fence, rest() }
