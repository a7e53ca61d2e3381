-- acquire: takes the lock, or says what stands in the way, or queues. Sent again it claims, renews
-- the heartbeat, and polls (I6).
--
-- ARGV: claim, token, kind, path, lease, about (the rest of the record), wait (1: queue; 0: do not,
-- and leave the queue), and the fields of the fast path. All times are microseconds.
--
-- Returns
--   { GRANTED, fencing token, more }                    the lock is held
--   { REFUSED, path, owner, time left, more }           something stands in the way
--   { WAITS, path, owner, time left, more, arrival }    the same, and the token is in the queue
--   { AGAIN, path, owner, time left, more }             what stands in the way has expired, and is
--                                                       more than one call takes away: ask again.
--                                                       A token that waited still does.
--   { KEPT, path, owner, time left, more }              all that is held in the way may be kept by
--                                                       clients that do not use it, and are asked
--                                                       now: ask again
--   { CANCELLED }                                       this request was late: the token was given
--                                                       back before
-- The time left is -1 if it is not known. `more` is what `rest` says (turns.lua).
local _, token, kind, path, lease, about, wait = unpack(ARGV, 1, 7)
kind, lease, wait = tonumber(kind), tonumber(lease), wait == '1'

-- Granted before, by a hand-over or by a request whose reply was lost: the same grant again, its
-- lease from now. If a request set its end since, this one is late, and must not shorten that.
local function claimed(text)
  local it = parse(text)
  set_end(token, now + lease, it.version > 0 or it.client == '')
  return { GRANTED, it.number, rest() }
end

local text, anyone_waits = read_clock(token, 'waiting')
if text and sub(text, 1, 1) == '0' then
  return { CANCELLED } -- first of all: this reply cannot say that there is more to do
end
if reap(MAX_ASIDE) then
  text, anyone_waits = call('HGET', NODES, token), true
end
if text then
  return claimed(text)
end
text = anyone_waits and call('HGET', WAITERS, token)
local it, list = text and parse(text), chain(path)
if it then
  -- Whoever asks lives. With an end that had passed, its turn, if it came now, would be taken away
  -- like any that comes too late.
  set_end(token, now + claim)
end
local held, waiting, at, owner, left, expired = look(list, kind, it and it.number)

if it and reaped > 0 then
  -- What was taken away may have made it this one's turn.
  text = call('HGET', NODES, token)
  if text then
    return claimed(text)
  end
end
if not at then
  if it then
    dequeue(list, waiting, token, it)
  end
  return { GRANTED, grant(list, held, token, kind, about, lease), rest() }
end
if expired then
  return { AGAIN, at, owner, left, rest() }
end
local kept = recall(list, held, kind, nil, wait)
if wait then
  local number = it and it.number or enqueue(list, waiting, token, kind, about, claim)
  return { WAITS, at, owner, left, rest(), number }
end
if it then
  dequeue(list, waiting, token, it)
  hand_over(path, kind % 2 == 1, '')
end
return { kept and not it and KEPT or REFUSED, at, owner, left, rest() }
