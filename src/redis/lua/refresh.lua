-- refresh: one call for all that a process holds and waits for. It sets when a holder's lease ends,
-- and renews a waiter's heartbeat.
--
-- ARGV: claim, then token, length (the time from now on) and version in turns:
--   length 0, version 0   a waiter's heartbeat. If the lock has been granted meanwhile its claim
--                         window, not its lease, begins anew.
--   version 0             a renewal. It only ever raises the end: so one that arrives late does not
--                         shorten what another request has set.
--   version above 0       sets the end exactly, and stores the version. If a higher one is stored
--                         this request is late, and does nothing.
--   version -1            sets the end exactly, whatever is stored: for a detached lock, of which
--                         several clients may set the end. For others it does nothing.
--   length 0, version -n  a set's heartbeat: this token is the waiter's, and the n - 1 behind it
--                         are those of the other members. Should it have been granted all of them
--                         are held, or it is over.
-- Behind the version, and a comma, is the fencing token that the lock was raised to, if it was.
-- What is known as less than that is lost (I11).
-- All but heartbeats are for what is held, and whose time is not up: what has expired is not
-- revived, as others of its set may be gone. What waits leaves the queue: its client has had the
-- lock, so this server has older data (I11).
--
-- Returns { more, then for each token LOST, HELD, or how long it may be before it pays to ask again
-- }. LOST: not known, or not to be renewed. For a waiter whose lock has been granted it is the
-- fencing token with a minus, as the message about it may have been lost.
local LOST, HELD = -2, -1

local function renew(token, it, length, version, raised)
  local beats = length == 0 and version == 0
  if it.kind == 0 or version < 0 and it.client ~= '' or not beats and time_left(token) <= 0 then
    return LOST
  end
  if is_undone(token, it, raised) then
    return LOST
  end
  if version == 0 then
    set_end(token, now + (length > 0 and length or claim), true)
    if length == 0 then
      return -it.number
    end
  elseif version < 0 or version >= it.version then
    set_end(token, now + length)
    if version > it.version then
      call('HSET', NODES, token, record(it.kind, it.number, version, it.about))
    end
  end
  return HELD
end

-- What stands in the way of a set: the first of its members that is blocked says. What is kept in
-- the way of any of them is recalled once more.
local function look_at_set(members, number)
  local at, left, expired
  for _, it in ipairs(members) do
    if not at then
      local _
      _, _, at, _, left, expired = look(it.list, it.kind, number)
    end
    recall(it.list, counts(NODES, it.list), it.kind, nil, true)
  end
  return at, left, expired
end

-- The waiter is served first, if its turn has come and the client that should have seen to that is
-- gone (I8). A set serves itself alone.
local function beat(token, it)
  set_end(token, now + claim)
  local at, left, expired
  if it.kind == SET then
    local members = read_members(it.path)
    local _, blocked = look_over(members, it.number)
    if not blocked and grace == 0 then
      dequeue_set(members, token, it.number)
      return -grant_set(members, claim)
    end
    at, left, expired = look_at_set(members, it.number)
  else
    local stopped = serve(it.path)
    if stopped then
      owe(it.path, false, stopped)
    end
    local granted = call('HGET', NODES, token)
    if granted then
      return -parse(granted).number
    end
    local list, held, _ = chain(it.path), nil, nil
    held, _, at, _, left, expired = look(list, it.kind, it.number)
    if at then
      -- The message that said so when it queued may have been lost.
      recall(list, held, it.kind, nil, true)
    end
  end
  local granted = call('HGET', NODES, token)
  if granted then
    return -parse(granted).number
  end
  return expired and 0 or at and left >= 0 and left or claim
end

-- Of a set either all members begin their claim window anew, or none does.
local function renew_set(first, many)
  local number
  for i = first, first + 3 * many - 3, 3 do
    local text = call('HGET', NODES, ARGV[i])
    local it = text and parse(text)
    if not it or it.kind == 0 then
      return LOST
    end
    number = number or it.number
  end
  for i = first, first + 3 * many - 3, 3 do
    set_end(ARGV[i], now + claim, true)
  end
  return -number
end

reap(MAX_ASIDE)
local reply, i = { false }, 2
while i <= 3 * tokens do
  local token, version, raised = ARGV[i], match(ARGV[i + 2], '^(-?%d+),?(%d*)$')
  local many = ARGV[i + 1] == '0' and -tonumber(version) or 0
  local text = call('HGET', NODES, token)
  if many > 1 then
    local waits = not text and call('HGET', WAITERS, token)
    local state = waits and beat(token, parse(waits)) or renew_set(i, many)
    for n = 1, many do
      reply[#reply + 1] = (n == 1 or state < LOST) and state or LOST
    end
    i = i + 3 * (many - 1)
  elseif text then
    reply[#reply + 1] = renew(token, parse(text), tonumber(ARGV[i + 1]), tonumber(version), tonumber(raised) or 0)
  else
    text = call('HGET', WAITERS, token)
    if text and (ARGV[i + 1] ~= '0' or version ~= '0') then
      remove(token)
      text = nil
    end
    reply[#reply + 1] = text and beat(token, parse(text)) or LOST
  end
  i = i + 3
end
reply[1] = rest()
return reply
