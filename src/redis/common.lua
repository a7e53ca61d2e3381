-- What the scripts share once they are off their fast paths: docs/redis.md has the key layout, the
-- states and the numbered invariants that are cited here.

-- How much one call may do, so that it blocks the server for no longer than a few milliseconds
-- (I8).
local MAX_REAPED, MAX_GRANTED, MAX_VISITED, MAX_SCANNED = 64, 64, 128, 1000

-- Which classes at the node itself stand in the way of a kind.
local IN_THE_WAY = { { 1, 2, 3, 4, 5, 6 }, { 1, 2, 3, 4 }, { 1, 2, 5 }, { 1, 2 } }

-- ---------------------------------------------------------------------------------------------------------------
-- the clock

-- The last number given out: fencing token, arrival number and last time seen, all in one (I1).
local now, tick

local function read_clock()
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
  tick = tonumber(call('HGET', NODES, 'tick') or 0)
  if tick > now then
    now = tick
  end
end

local function next_tick()
  if tick == 0 then
    call('HSET', NODES, 'born', now) -- whoever holds a smaller token held it before the server lost its data
  end
  tick = math.max(tick + 1, now)
  call('HSET', NODES, 'tick', tick)
  return tick
end

-- -------------------------------------------------------------------------------------------------------------
-- the counts

-- The paths from the root down to `path`.
local function chain(path)
  local list, length = {}, 1
  list[1] = ''
  local at = find(path, '\1', 2, true)
  while at do
    length = length + 1
    list[length] = sub(path, 1, at - 1)
    at = find(path, '\1', at + 1, true)
  end
  if path ~= '' then
    list[length + 1] = path
  end
  return list
end

-- The six counts of each node of a chain, `false` for one without any.
local function counts(key, list)
  local nodes = call('HMGET', key, unpack(list))
  for i = 1, #list do
    local packed = nodes[i]
    if packed then
      local node = { unpack_counts(layout, packed) }
      node[7] = nil
      nodes[i] = node
    end
  end
  return nodes
end

-- Adds one lock of `kind` on the last node of the chain, or takes one away (I2).
local function add(key, list, nodes, kind, one)
  local below, last = kind <= 2 and 5 or 6, #list
  local set, gone, length = {}, nil, 0
  for i = 1, last do
    local node = nodes[i]
    if not node then
      node = { 0, 0, 0, 0, 0, 0 }
      nodes[i] = node
    end
    local class = i == last and kind or below
    node[class] = node[class] + one
    local a, b, c, d, e, f = node[1], node[2], node[3], node[4], node[5], node[6]
    if a + b + c + d + e + f == 0 then
      nodes[i] = false
      gone = gone or {}
      gone[#gone + 1] = list[i]
    else
      set[length + 1] = list[i]
      set[length + 2] = pack(layout, a, b, c, d, e, f)
      length = length + 2
    end
  end
  if length > 0 then
    call('HSET', key, unpack(set))
  end
  if gone then
    call('HDEL', key, unpack(gone))
  end
end

-- Where in the chain, and in which class, something stands in the way of a lock of `kind` on its
-- last node; nil if nothing does. The table of conflicts is here and in IN_THE_WAY, and nowhere
-- else.
local function obstacle(nodes, last, kind)
  for i = 1, last - 1 do
    local node = nodes[i]
    if node then
      if node[1] > 0 then
        return i, 1
      elseif kind <= 2 and node[3] > 0 then
        return i, 3
      end
    end
  end
  local node = nodes[last]
  if node then
    for _, class in ipairs(IN_THE_WAY[kind]) do
      if node[class] > 0 then
        return last, class
      end
    end
  end
end

-- ------------------------------------------------------------------------------------------------------------
-- the records

-- `kind,number,` and then what the client wrote: `lease,claim,client,length of owner,owner path`.
-- The number is a waiter's arrival or a holder's fencing token.
local function record(kind, number, about)
  return digits('%d,%.0f,', kind, number) .. about
end

local function parse(text)
  local kind, number, about, lease, claim, client, length, rest = match(text, '^(%d),(%d+),()(%d+),(%d+),([^,]*),(%d+),()')
  local path = rest + length
  return {
    kind = tonumber(kind), number = tonumber(number), about = sub(text, about), lease = tonumber(lease), claim = tonumber(claim), client = client,
    owner = sub(text, rest, path - 1), path = sub(text, path),
  }
end

-- A token's entry in HOLDERS: by path, then by kind.
local function place(path, kind, token)
  return path .. '\0' .. kind .. token
end

-- A waiter's entry in the queue of `class` at `path`: in order of arrival.
local function ticket(path, class, number, token)
  return path .. '\0' .. class .. digits('%016.0f', number) .. token
end

-- ------------------------------------------------------------------------------------------------------
-- holders and waiters

local function grant(list, held, token, kind, about, duration)
  local path, fence = list[#list], next_tick()
  add(NODES, list, held, kind, 1)
  call('HSET', NODES, token, record(kind, fence, about))
  call('ZADD', DEADLINES, now + duration, token)
  call('ZADD', HOLDERS, 0, place(path, kind, token))
  return fence
end

local function ungrant(list, held, token, kind)
  add(NODES, list, held, kind, -1)
  call('HDEL', NODES, token)
  call('ZREM', DEADLINES, token)
  call('ZREM', HOLDERS, place(list[#list], kind, token))
end

-- A waiter stands in its own node's queue and, as one below, in a queue of each node above: so the
-- earliest waiter of any class is at the head of a queue (I4).
local function tickets(list, kind, number, token, each)
  local below, last = kind <= 2 and 5 or 6, #list
  for i = 1, last do
    each(ticket(list[i], i == last and kind or below, number, token))
  end
end

local function enqueue(list, waiting, token, kind, about, beat)
  local number, entries = next_tick(), {}
  tickets(list, kind, number, token, function(entry)
    entries[#entries + 1] = 0
    entries[#entries + 1] = entry
  end)
  add(WAITING, list, waiting, kind, 1)
  call('ZADD', QUEUES, unpack(entries))
  call('HSET', WAITERS, token, record(kind, number, about))
  call('HSET', NODES, 'waiting', 1)
  call('ZADD', DEADLINES, now + beat, token)
  return number
end

local function dequeue(list, waiting, token, waiter)
  local entries = {}
  tickets(list, waiter.kind, waiter.number, token, function(entry)
    entries[#entries + 1] = entry
  end)
  add(WAITING, list, waiting, waiter.kind, -1)
  call('ZREM', QUEUES, unpack(entries))
  call('HDEL', WAITERS, token)
  call('ZREM', DEADLINES, token)
  if not waiting[1] then
    call('HDEL', NODES, 'waiting') -- the fast paths look at this alone (I9)
  end
end

-- The head of a queue: its arrival number, as 16 digits, and its token.
local function head(path, class)
  local first = call('ZRANGEBYLEX', QUEUES, '[' .. path .. '\0' .. class, '(' .. path .. '\0' .. (class + 1), 'LIMIT', 0, 1)[1]
  if first then
    return sub(first, #path + 3, #path + 18), sub(first, #path + 19)
  end
end

-- The arrival number of the earliest waiter that stands in the way of `kind`, those in that kind's
-- own queue left out; greater than any if there is none.
local function earliest(list, waiting, kind)
  local first, last = ':', #list
  local function look(i, class)
    if waiting[i][class] > 0 then
      local number = head(list[i], class)
      if number and number < first then
        first = number
      end
    end
  end
  for i = 1, last - 1 do
    if waiting[i] then
      look(i, 1)
      if kind <= 2 then
        look(i, 3)
      end
    end
  end
  if waiting[last] then
    for _, class in ipairs(IN_THE_WAY[kind]) do
      if class ~= kind then
        look(last, class)
      end
    end
  end
  return first
end

-- --------------------------------------------------------------------------------------------------------------
-- hand over

local granted, visited = 0, 0

-- How long a waiter may go without a heartbeat, and how long it has to claim a lock that it was
-- handed: the caller's. Others' are in their records.
local claim = tonumber(ARGV[1])

-- Grants every waiter on `path` that nothing stands in the way of: no holder, and no earlier waiter
-- (I3, I5).
local function serve(path)
  local list = chain(path)
  local last = #list
  local waiting = counts(WAITING, list)
  if not waiting[last] then
    return
  end
  local held = counts(NODES, list)
  for kind = 1, 4 do
    if waiting[last] and waiting[last][kind] > 0 and not obstacle(held, last, kind) then
      local room = kind <= 2 and 1 or MAX_GRANTED - granted
      local from, before = path .. '\0' .. kind, path .. '\0' .. kind .. earliest(list, waiting, kind)
      for _, entry in ipairs(call('ZRANGEBYLEX', QUEUES, '[' .. from, '(' .. before, 'LIMIT', 0, room)) do
        local token = sub(entry, #path + 19)
        local waiter = parse(call('HGET', WAITERS, token))
        dequeue(list, waiting, token, waiter)
        local fence = grant(list, held, token, kind, waiter.about, waiter.claim)
        call('RPUSH', MAILBOX .. waiter.client, token .. digits(',%.0f', fence))
        call('PEXPIRE', MAILBOX .. waiter.client, MAILBOX_MS)
        granted = granted + 1
      end
    end
  end
end

-- Serves those whom a lock on `path` has stood in the way of: on the node, above it, and below if
-- the lock reached there. Returns where to go on if there is more than one call should do: any
-- client does (I8).
local function hand_over(path, below, cursor)
  local list = chain(path)
  local last, waiting = #list, counts(WAITING, list)
  if not waiting[1] then
    return false -- nobody waits anywhere in the tree
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
    return { path, below and 1 or 0, cursor }
  end
  if not below or not node or node[5] + node[6] == 0 then
    return false
  end
  -- With `last + 1` the node counts as one above: does what is held here or further up stand in the
  -- way of all below?
  if obstacle(counts(NODES, list), last + 1, node[6] > 0 and 3 or 1) then
    return false
  end
  local from, to = cursor ~= '' and cursor or path .. '\1', '(' .. path .. '\2'
  while true do
    local entry = call('ZRANGEBYLEX', QUEUES, '[' .. from, to, 'LIMIT', 0, 1)[1]
    if not entry then
      return false
    end
    local at = sub(entry, 1, find(entry, '\0', 1, true) - 1)
    serve(at)
    visited = visited + 1
    from = granted >= MAX_GRANTED and at or at .. '\1'
    if granted >= MAX_GRANTED or visited >= MAX_VISITED then
      return { path, 1, from }
    end
  end
end

-- Takes away a grant or a waiter, whatever the token is, and hands over. Returns its record, and
-- where to go on.
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
    return nil, false
  end
  local list = chain(it.path)
  if waits then
    dequeue(list, counts(WAITING, list), token, it)
  else
    ungrant(list, counts(NODES, list), token, it.kind)
  end
  return it, hand_over(it.path, it.kind % 2 == 1, '')
end

-- Takes away what has expired. Returns where to go on, and whether there may be more to take away.
local function reap()
  local dead = call('ZRANGEBYSCORE', DEADLINES, '-inf', now, 'LIMIT', 0, MAX_REAPED)
  for _, token in ipairs(dead) do
    local _, more = remove(token)
    if more or granted >= MAX_GRANTED or visited >= MAX_VISITED then
      return more, true
    end
  end
  return false, #dead >= MAX_REAPED
end

-- --------------------------------------------------------------------------------------------------------------
-- who it was

-- A holder that stands in the way: its record and the time left of its lease.
local function holder_in_the_way(list, i, class)
  local path, entries = list[i], nil
  if class <= 4 then
    entries = call('ZRANGEBYLEX', HOLDERS, '[' .. path .. '\0' .. class, '(' .. path .. '\0' .. (class + 1), 'LIMIT', 0, 1)
  else
    entries = call('ZRANGEBYLEX', HOLDERS, '[' .. path .. '\1', '(' .. path .. '\2', 'LIMIT', 0, class == 6 and 1 or MAX_SCANNED)
  end
  for _, entry in ipairs(entries) do
    local at = find(entry, '\0', 1, true)
    if class ~= 5 or tonumber(sub(entry, at + 1, at + 1)) <= 2 then
      local token = sub(entry, at + 2)
      local holder = parse(call('HGET', NODES, token))
      return holder.path, holder.owner, tonumber(call('ZSCORE', DEADLINES, token)) - now
    end
  end
  return path, '', -1 -- one exclusive lock among very many shared ones: the node asked for stands for it
end

-- What stands in the way: its path, its owner, and when it may be gone. A waiter's time is not
-- known: -1.
local function blocker(list, held, waiting, kind)
  local i, class = obstacle(held, #list, kind)
  if i then
    return holder_in_the_way(list, i, class)
  end
  i, class = obstacle(waiting, #list, kind)
  if not i then
    return list[#list], '', -1
  end
  local _, token = head(list[i], class)
  local waiter = parse(call('HGET', WAITERS, token))
  return waiter.path, waiter.owner, -1
end
