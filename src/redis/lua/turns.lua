-- What the scripts share, part two: whose turn it is. Handing over, taking away what has expired,
-- and what stands in the way of a request.

-- How long a waiter may go without a heartbeat, and how long it has to claim a lock that it was
-- handed: the caller's. Others' are in their records.
local claim = tonumber(server and sub(ARGV[1], 41) or ARGV[1])

-- What is in the way of all while a grace period is open, as errors show it.
local GRACE = 'nobody: after a change of servers the holders of before have time to say so'

-- What this call has done so far, against the limits of tree.lua.
local granted, visited, reaped = 0, 0, 0

-- Where another call has to go on handing over: { path, below, cursor }, or nil.
local owed
-- Whether there is more that has expired: true, false, or nil while nobody has looked. And whether
-- a dead waiter's turn came.
local more_expired, met_dead

-- -------------------------------------------------------------------------------------------------
-- handing over

-- There is more to hand over than one call should do (I8). Two places where to go on become one:
-- the node that both are at or below, and all below it.
local function owe(path, below, cursor)
  if owed then
    local at = owed[1]
    below = below or owed[2] == 1 or at ~= path
    while at ~= '' and at ~= path and sub(path, 1, #at + 1) ~= at .. '\1' do
      at = match(at, '^(.*)\1')
    end
    path, cursor = at, ''
  end
  owed = { path, below and 1 or 0, cursor }
end

-- Grants every waiter on `path` that nothing stands in the way of: no holder, and no earlier waiter
-- (I3, I5). Returns whether it stopped before that, as the call has granted enough.
--
-- A waiter whose heartbeat is over gets a grant that has ended already. Nobody is told. It is in
-- the way of others until it is taken away, like any holder that has expired.
-- While a grace period is open it grants nothing. The waiters ask when it is over (I10).
local function serve(path)
  if grace > 0 then
    return false
  end
  local list = chain(path)
  local last = #list
  local waiting = counts(WAITING, list)
  if not waiting[last] then
    return false
  end
  local held = counts(NODES, list)
  for kind = 1, 4 do
    local room = MAX_GRANTED - granted
    if room <= 0 then
      return true -- and no LIMIT below 1, which would be none at all
    end
    if waiting[last] and waiting[last][kind] > 0 and not obstacle(held, last, kind) then
      local from, before = path .. '\0' .. kind, path .. '\0' .. kind .. earliest(list, waiting, kind)
      for _, entry in ipairs(call('ZRANGEBYLEX', QUEUES, '[' .. from, '(' .. before, 'LIMIT', 0, kind <= 2 and 1 or room)) do
        local token = sub(entry, #path + 19)
        local waiter = parse(call('HGET', WAITERS, token))
        local lives = more_expired == false or time_left(token) > 0
        dequeue(list, waiting, token, waiter)
        local fence = grant(list, held, token, kind, waiter.about, lives and waiter.claim or 0)
        if lives then
          call('RPUSH', MAILBOX .. waiter.client, token .. digits(',%.0f', fence))
          call('PEXPIRE', MAILBOX .. waiter.client, MAILBOX_MS)
        else
          more_expired, met_dead = true, true
        end
        granted = granted + 1
      end
    end
  end
  return granted >= MAX_GRANTED
end

-- Serves the waiters that a lock on `path` has stood in the way of: on the node, above it, and
-- below if the lock reached there. `cursor` is where an earlier call stopped below, or empty.
local function hand_over(path, below, cursor)
  local list = chain(path)
  local last, waiting = #list, counts(WAITING, list)
  if not waiting[1] then
    return -- nobody waits anywhere in the tree
  end
  if not now then
    read_clock()
  end
  for i = 1, last - 1 do
    if waiting[i] and waiting[i][1] + waiting[i][3] > 0 then
      serve(list[i])
    end
  end
  local node = waiting[last]
  if node and node[1] + node[2] + node[3] + node[4] > 0 then
    serve(path)
  end
  if granted >= MAX_GRANTED then
    return owe(path, below, cursor)
  end
  if not below or not node or node[5] + node[6] == 0 then
    return
  end
  -- With `last + 1` the node counts as an ancestor: is what is held here or further up in the way
  -- of all below?
  if obstacle(counts(NODES, list), last + 1, node[6] > 0 and 3 or 1) then
    return
  end
  local from, to = cursor ~= '' and cursor or path .. '\1', '(' .. path .. '\2'
  while true do
    local entry = call('ZRANGEBYLEX', QUEUES, '[' .. from, to, 'LIMIT', 0, 1)[1]
    if not entry then
      return
    end
    local at = sub(entry, 1, find(entry, '\0', 1, true) - 1)
    local stopped = serve(at)
    visited = visited + 1
    from = stopped and at or at .. '\1'
    if stopped or visited >= MAX_VISITED then
      return owe(path, true, from)
    end
  end
end

-- -------------------------------------------------------------------------------------------------
-- taking away

-- Takes away a holder, a waiter or a tombstone, whichever the token is, and hands over. Returns the
-- record, unless it was a tombstone or nothing.
local function remove(token)
  local text = call('HGET', NODES, token)
  local waits = not text
  if waits then
    text = call('HGET', WAITERS, token)
  end
  local it = text and parse(text)
  if not it or it.kind == 0 then
    call('HDEL', NODES, token)
    call('ZREM', DEADLINES, token)
    return nil
  end
  local list = chain(it.path)
  if waits then
    dequeue(list, counts(WAITING, list), token, it)
  else
    ungrant(list, counts(NODES, list), token, it.kind)
  end
  hand_over(it.path, it.kind % 2 == 1, '')
  return it
end

-- Takes away some of what has expired anywhere, what ended first coming first. Returns whether
-- there was anything.
local function reap(limit)
  local dead = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, limit)
  for _, token in ipairs(dead) do
    remove(token)
    if owed or granted >= MAX_GRANTED or visited >= MAX_VISITED then
      more_expired = true -- for all we know
      return true
    end
  end
  more_expired = #dead >= limit
  return #dead > 0
end

-- What a reply says about work that is left: where another call has to go on handing over; 1 if
-- there is more that has expired, for `tidy`; or false. It is asked for last: if a dead waiter's
-- turn came, that is put right first, so that it costs the next in line nothing.
local function rest()
  if met_dead and not owed then
    reap(MAX_ASIDE)
  end
  return owed or more_expired and 1 or false
end

-- -------------------------------------------------------------------------------------------------
-- what stands in the way

-- Tokens of holders of `class` at a node, at most `most`. `any`: of those below, shared ones will
-- do as well. None if that cannot be told: an exclusive lock among very many shared ones.
local function holders(path, class, any, most)
  local from, to = path .. '\0' .. class, path .. '\0' .. (class + 1)
  if class >= 5 then
    from, to = path .. '\1', path .. '\2'
    any = any or class == 6
  else
    any = true
  end
  local tokens = {}
  for _, entry in ipairs(call('ZRANGEBYLEX', HOLDERS, '[' .. from, '(' .. to, 'LIMIT', 0, any and most or MAX_SCANNED)) do
    local at = find(entry, '\0', 1, true)
    if any or #tokens < most and tonumber(sub(entry, at + 1, at + 1)) <= 2 then
      tokens[#tokens + 1] = sub(entry, at + 2)
    end
  end
  return tokens
end

-- Tokens of waiters that are in the way, at most `most`; none if there is none. A newcomer comes
-- after all that wait. A waiter has its arrival number, and is told the earliest that came before.
local function waiters(list, waiting, kind, number, most)
  local last = #list
  if not number then
    local i, class = obstacle(waiting, last, kind)
    local tokens = {}
    if i then
      local path = list[i]
      for n, entry in ipairs(call('ZRANGEBYLEX', QUEUES, '[' .. path .. '\0' .. class, '(' .. path .. '\0' .. (class + 1), 'LIMIT', 0, most)) do
        tokens[n] = sub(entry, #path + 19)
      end
    end
    return tokens
  end
  local first, token = earliest(list, waiting, kind)
  if kind <= 2 then
    local own, its = head(list[last], kind)
    if own and own < first then
      first, token = own, its
    end
  end
  return { first < digits('%016.0f', number) and token or nil }
end

-- What stands in the way of a lock of `kind` on the last node of the chain; `number` is its arrival
-- number if it waits. Whatever has expired there is taken away first, MAX_REAPED a call.
--
-- Returns the counts of holders and of waiters as they are then. If something is in the way also:
-- its path, its owner, the time left of its lease (-1: not known), and whether that may have
-- expired, too.
local function look(list, kind, number)
  local last = #list
  while true do
    local held, waiting = counts(NODES, list), counts(WAITING, list)
    local i, class = obstacle(held, last, kind)
    -- Once nothing has expired anywhere one of them is enough, and its end need not be looked at.
    local most = more_expired == false and 1 or math.max(MAX_REAPED - reaped, 1)
    local tokens
    if i then
      tokens = holders(list[i], class, kind == 1 or held[i][6] == 0, most)
      if not tokens[1] then
        return held, waiting, list[i], '', -1, more_expired ~= false
      end
    else
      tokens = waiting[1] and waiters(list, waiting, kind, number, most) or {}
      if not tokens[1] then
        if grace > 0 then
          return held, waiting, list[last], GRACE, grace - now, false
        end
        return held, waiting
      end
    end
    for n, token in ipairs(tokens) do
      local left = (i or more_expired ~= false) and time_left(token) or 1
      if left > 0 or reaped >= MAX_REAPED then
        if n > 1 then
          break -- the counts have changed since
        end
        more_expired = more_expired or left <= 0
        local it = parse(call('HGET', i and NODES or WAITERS, token))
        return held, waiting, it.path, it.owner, (i or left <= 0) and left or -1, left <= 0
      end
      reaped = reaped + 1
      remove(token)
    end
  end
end
