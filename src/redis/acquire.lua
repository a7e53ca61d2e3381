-- acquire: takes the lock, or says what stands in the way, or queues. Sent again it claims, renews
-- the heartbeat, and polls.
--
-- ARGV: claim, token, kind, path, lease, about (the rest of the record), wait (1: queue; 0: do not,
-- and leave the queue) All times are microseconds. Returns { 1, fencing token, more }
-- the lock is held { 0, path, owner, time left, more }       something stands in the way { 2, path,
-- owner, time left, more, arrival }   the same, and the token waits in the queue { 3, more }
-- too much to clean up first: send it again { 4 }                                     the token was
-- cancelled before: this request was late
local _, token, kind, path, lease, about, wait = unpack(ARGV, 1, 7)
kind, lease, wait = tonumber(kind), tonumber(lease), wait == '1'

read_clock()
local more, again = reap()
if again then
  return { 3, more }
end

-- Granted before, by a hand-over or by a request whose reply was lost: the same grant again, its
-- lease from now (I6).
local text = call('HGET', NODES, token)
if text then
  local it = parse(text)
  if it.kind == 0 then
    return { 4 }
  end
  call('ZADD', DEADLINES, now + lease, token)
  return { 1, it.number, more }
end

local list = chain(path)
local last, held, waiting = #list, counts(NODES, list), counts(WAITING, list)
local free = not obstacle(held, last, kind)
text = waiting[1] and call('HGET', WAITERS, token)
if text then
  local it = parse(text)
  if free then
    local first = earliest(list, waiting, kind)
    if kind <= 2 then
      local own = head(path, kind)
      first = own < first and own or first
    end
    if first >= digits('%016.0f', it.number) then
      dequeue(list, waiting, token, it)
      return { 1, grant(list, held, token, kind, about, lease), more }
    end
  end
  if wait then
    call('ZADD', DEADLINES, now + claim, token)
    local at, who, left = blocker(list, held, waiting, kind)
    return { 2, at, who, left, more, it.number }
  end
  dequeue(list, waiting, token, it)
  local at, who, left = blocker(list, held, waiting, kind)
  return { 0, at, who, left, hand_over(path, kind % 2 == 1, '') }
end

if free and not (waiting[1] and obstacle(waiting, last, kind)) then
  return { 1, grant(list, held, token, kind, about, lease), more }
end
local at, who, left = blocker(list, held, waiting, kind)
if wait then
  return { 2, at, who, left, more, enqueue(list, waiting, token, kind, about, claim) }
end
return { 0, at, who, left, more }
