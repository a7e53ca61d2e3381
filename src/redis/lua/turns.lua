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

-- Tells a waiter's client that a token has been granted.
local function tell(client, token, fence)
  post(client, token .. digits(',%.0f', fence))
end

-- A single shared lock of the scope of `kind` is held on the last node. If nothing else is, and it
-- waits to become exclusive, it does. Whether the queue has changed.
local function serve_upgrade(list, held, kind)
  local last = #list
  held[last][kind + 2] = 0
  local free = not obstacle(held, last, kind)
  held[last][kind + 2] = 1
  local _, waiter = head(list[last], kind)
  if not free or sub(waiter, -1) ~= UPGRADE then
    return false
  end
  local token, lives = sub(waiter, 1, -2), time_left(waiter) > 0
  local client = parse(call('HGET', WAITERS, waiter)).client
  drop_upgrade(token, list)
  if lives then
    tell(client, token, make_exclusive(token, parse(call('HGET', NODES, token)), list))
    granted = granted + 1
  else
    owe(list[last], kind == 1, '') -- it has kept out others, at other nodes, too
  end
  return true
end

-- Grants every waiter on `path` that nothing stands in the way of: no holder, and no earlier waiter
-- (I3, I5). A set is looked at whole. `from` is where an earlier call stopped in these queues.
-- Returns where it stopped itself, if it has done enough before that.
--
-- A waiter whose heartbeat is over gets a grant that has ended already. Nobody is told. It is in
-- the way of others until it is taken away, like any holder that has expired.
--
-- While a grace period is open it grants nothing. The waiters ask when it is over (I10).
local function serve(path, from)
  if grace > 0 then
    return false
  end
  local list = chain(path)
  local last = #list
  local waiting = counts(WAITING, list)
  if not waiting[last] then
    return nil
  end
  local held = counts(NODES, list)
  local first = from and tonumber(sub(from, #path + 2, #path + 2)) or 1
  for kind = first, 4 do
    local start, after, full = path .. '\0' .. kind, '[', false
    if from and kind == first then
      start, after = from, '('
    end
    if kind <= 2 and waiting[last] and waiting[last][kind] > 0 and held[last] and held[last][kind + 2] == 1 then
      if serve_upgrade(list, held, kind) then
        held, waiting = counts(NODES, list), counts(WAITING, list)
      end
    end
    local free = waiting[last] and waiting[last][kind] > 0 and not obstacle(held, last, kind)
    local before = free and path .. '\0' .. kind .. earliest(list, waiting, kind)
    while free do
      local room = MAX_GRANTED - granted
      if room <= 0 then
        return start -- and no LIMIT below 1, which would be none at all
      end
      room = kind <= 2 and 1 or room
      local entries = call('ZRANGEBYLEX', QUEUES, after .. start, '(' .. before, 'LIMIT', 0, room)
      for _, entry in ipairs(entries) do
        local token = sub(entry, #path + 19)
        local waiter = parse(call('HGET', WAITERS, token))
        local lives = more_expired == false or time_left(token) > 0
        local fence, duration = nil, lives and waiter.claim or 0
        if waiter.kind ~= SET then
          dequeue(list, waiting, token, waiter)
          fence = grant(list, held, token, kind, waiter.about, duration)
          granted = granted + 1
        else
          local members = read_members(waiter.path)
          local looked, blocked = look_over(members, waiter.number)
          if blocked then
            visited = visited + looked
          else
            dequeue_set(members, token, waiter.number)
            fence = grant_set(members, duration)
            granted = granted + #members
            held, waiting = counts(NODES, list), counts(WAITING, list)
          end
        end
        if fence and lives then
          tell(waiter.client, token, fence)
        elseif fence then
          more_expired, met_dead = true, true
        end
        -- An exclusive one has no next: who stands behind it is kept out by it.
        start, after = kind > 2 and entry or path .. '\0' .. kind + 1, '('
        if visited >= MAX_VISITED or granted >= MAX_GRANTED then
          return start
        end
      end
      free = kind > 2 and #entries >= room
    end
  end
end

-- Serves the waiters that a lock on `path` has stood in the way of: on the node, above it, and
-- below if the lock reached there. `cursor` is where an earlier call stopped: in the queues of a
-- node (`serve`), or at a node below, or empty.
local function hand_over(path, below, cursor)
  local list = chain(path)
  local last, waiting = #list, counts(WAITING, list)
  if not waiting[1] then
    return -- nobody waits anywhere in the tree
  end
  if not now then
    read_clock()
  end
  local mark = find(cursor, '\0', 1, true)
  local at = mark and sub(cursor, 1, mark - 1) or cursor ~= '' and cursor
  for i = 1, last do
    local node, here = waiting[i], list[i]
    local anyone = node and (node[1] + node[3] > 0 or i == last and node[2] + node[4] > 0)
    if anyone and (not at or #here >= #at) then
      local stopped = serve(here, mark and here == at and cursor or nil)
      if stopped then
        return owe(path, below, stopped)
      end
    end
  end
  local node = waiting[last]
  if not below or not node or node[5] + node[6] == 0 then
    return
  end
  local is_below = at and #at > #path
  local from, to = is_below and at or path .. '\1', '(' .. path .. '\2'
  if granted >= MAX_GRANTED or visited >= MAX_VISITED then
    return owe(path, true, is_below and cursor or from)
  end
  -- With `last + 1` the node counts as an ancestor: is what is held here or further up in the way
  -- of all below?
  if obstacle(counts(NODES, list), last + 1, node[6] > 0 and 3 or 1) then
    return
  end
  local resume = is_below and mark and cursor
  while true do
    if not resume then
      local entry = call('ZRANGEBYLEX', QUEUES, '[' .. from, to, 'LIMIT', 0, 1)[1]
      if not entry then
        return
      end
      at = sub(entry, 1, find(entry, '\0', 1, true) - 1)
    end
    local stopped = serve(at, resume or nil)
    visited, resume = visited + 1, nil
    from = stopped or at .. '\1'
    if stopped or visited >= MAX_VISITED then
      return owe(path, true, from)
    end
  end
end

-- -------------------------------------------------------------------------------------------------
-- taking away

-- Takes away a holder, a waiter or a tombstone, whichever the token is, and hands over. Returns the
-- record, unless it was a tombstone or nothing; and for a set that waited how many members it has.
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
  if it.kind == SET then
    local members = read_members(it.path)
    dequeue_set(members, token, it.number)
    for _, member in ipairs(members) do
      hand_over(member.path, member.kind % 2 == 1, '')
    end
    return it, #members
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

-- Whether a held lock is known as less than what it was raised to: its holder says with which
-- fencing token that was. This server has older data then (I11). The lock is lost, and what is
-- known of it goes.
local function is_undone(token, it, raised)
  local undone = it.kind > 0 and it.number < raised
  if undone then
    remove(token)
  end
  return undone
end

-- The same as `remove` for its client, which gives it back. A tombstone is left where a request for
-- the lock may still be under way: when that arrives it must not be granted to nobody (I6). While a
-- grace period is open a renewal may be under way, which would put back what has been given back
-- (I10). `raised`: with which fencing token it was raised, if it was (I11). Returns 1 if it was
-- held or waited and its time was not up, or may have been, else 0.
local function give_up(token, tombstone, raised)
  local ends = call('ZSCORE', DEADLINES, token)
  local it = remove(token)
  if raised and it and it.number < raised then
    it = nil
  end
  if tombstone > 0 or grace > 0 then
    call('HSET', NODES, token, '0,0,0,0,0,,0,')
    set_end(token, math.max(now + tombstone, grace))
  end
  -- What is not known while a grace period is open was forgotten, and kept from all others.
  return (it and tonumber(ends) > now or not it and grace > 0) and 1 or 0
end

-- Takes away some of what has expired anywhere, what ended first coming first. Returns whether
-- there was anything.
local function reap(limit)
  local dead = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, limit)
  local more = 0
  for n, token in ipairs(dead) do
    local _, members = remove(token)
    more = more + (members or 1) - 1
    if owed or granted >= MAX_GRANTED or visited >= MAX_VISITED or n + more > limit then
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

-- What stands in the way of a lock of `kind` on the last node of the chain; `number` is its arrival
-- number if it waits. Whatever has expired there is taken away first, MAX_REAPED a call.
--
-- `own` is the record of a held lock, and `its` the token, that is not in the way of this one, and
-- is to become it.
--
-- Returns the counts of holders and of waiters as they are then. If something is in the way also:
-- its path, its owner, the time left of its lease (-1: not known), and whether that may have
-- expired, too.
local function look(list, kind, number, own, its)
  local last = #list
  while true do
    local held, waiting = counts(NODES, list), counts(WAITING, list)
    if own then
      leave_out(held, list, own)
    end
    local i, class = obstacle(held, last, kind)
    -- Once nothing has expired anywhere one of them is enough, and its end need not be looked at.
    local most = more_expired == false and 1 or math.max(MAX_REAPED - reaped, 1)
    local tokens
    if i then
      tokens = holders(list[i], class, kind == 1 or held[i][6] == 0, own and most + 1 or most)
      for n = own and #tokens or 0, 1, -1 do
        if tokens[n] == its then
          table.remove(tokens, n)
        end
      end
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
        if it.kind == SET then
          it = member_in_the_way(it, list[last], kind)
        end
        return held, waiting, it.path, it.owner, (i or left <= 0) and left or -1, left <= 0
      end
      local _, members = remove(token)
      reaped = reaped + (members or 1)
    end
  end
end
