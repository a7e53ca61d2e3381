-- upgrade: a shared lock becomes an exclusive one of the same scope, as soon as nobody else holds
-- anything in its way. It goes before all who wait. Sent again it polls, and shows that it lives.
--
-- ARGV: claim, token, the last fencing token of the lock that its client knows, attempt (a number
-- that rises with each upgrade of this lock), what (1: wait; 0: do not, and leave the queue),
-- tombstone (for how long this attempt must not come back; 0 if it may not be under way). Returns
--   { GRANTED, fencing token, more }             it is exclusive; a new token, if it was shared
--   { REFUSED, path, owner, time left, more }    something is in the way; the lock is as it was
--   { WAITS, path, owner, time left, more }      the same, and nobody else gets in
--   { AGAIN, path, owner, time left, more }      as for acquire
--   { KEPT, path, owner, time left, more }       as for acquire
--   { NOT_HELD, more }                           or this attempt is late
--   { UPGRADING, path, owner, time left, more }  a lock in the way waits for the same: each would
--                                                wait for the other. It is as it was
--   { RAISED, fencing token, more }              it has been raised to this one since. So this
--                                                request is late; or its client does not know yet,
--                                                and asks again
local REFUSED, GRANTED, WAITS, AGAIN, NOT_HELD, UPGRADING, KEPT, RAISED = 0, 1, 2, 3, 4, 5, 6, 7
local _, token, number, attempt, wait, tombstone = unpack(ARGV)
number, attempt, wait, tombstone = tonumber(number), tonumber(attempt), wait == '1', tonumber(tombstone)
local waiter, late = token .. UPGRADE, token .. GIVEN_UP

read_clock()
reap(MAX_ASIDE)
local text, given_up = call('HGET', NODES, token), call('HGET', NODES, late)
local it = text and parse(text)
if not it or it.kind == 0 or time_left(token) <= 0 or is_undone(token, it, number) then
  return { NOT_HELD, rest() }
end
if it.kind <= 2 then
  return { GRANTED, it.number, rest() }
end
if it.number > number then
  return { RAISED, it.number, rest() }
end
if given_up and parse(given_up).number >= attempt then
  return { NOT_HELD, rest() }
end
local list, kind = chain(it.path), it.kind - 2
local queued = call('HGET', WAITERS, waiter)
if queued then
  set_end(waiter, now + claim) -- whoever asks lives
end

-- Another upgrade in the way. Of two that conflict each waits for the other's lock, so there is
-- none while this one is in the queue.
while not queued do
  local other = waiters(list, counts(WAITING, list), kind, 1, 1)[1]
  if not other then
    break
  end
  local its, left = parse(call('HGET', WAITERS, other)), time_left(other)
  if left > 0 or reaped >= MAX_REAPED then
    return { left > 0 and UPGRADING or AGAIN, its.path, its.owner, left, rest() }
  end
  reaped = reaped + 1
  remove(other)
end

local _, _, at, owner, left, expired = look(list, kind, 0, it, token)
it = parse(call('HGET', NODES, token))
if it.kind <= 2 then
  return { GRANTED, it.number, rest() } -- what was taken away was all that it waited for
end
queued = call('HGET', WAITERS, waiter)
if not at then
  drop_upgrade(token, list)
  return { GRANTED, make_exclusive(token, it, list), rest() }
end
if expired then
  return { AGAIN, at, owner, left, rest() }
end
local kept = recall(list, counts(NODES, list), kind, token, wait)
if wait then
  if not queued then
    enqueue(list, counts(WAITING, list), waiter, kind, it.about, claim)
  end
  return { WAITS, at, owner, left, rest() }
end
if kept and not queued and tombstone == 0 then
  return { KEPT, at, owner, left, rest() }
end
if queued then
  drop_upgrade(token, list)
end
if tombstone > 0 then
  call('HSET', NODES, late, record(0, attempt, 0, '0,0,,0,'))
  set_end(late, now + tombstone, given_up) -- no sooner than that of an earlier attempt
end
if queued then
  hand_over(it.path, kind == 1, '')
end
return { REFUSED, at, owner, left, rest() }
