-- What the scripts share once they are off their fast paths, part one: the clock, the counts, the
-- records, the queues. What is here changes a single holder or waiter; turns.lua decides which.

-- How much one call may do, so that it blocks the server for a few milliseconds at most (I8). Of
-- what has expired, MAX_REAPED goes for those it is in the way of, or whom nothing else keeps busy;
-- MAX_ASIDE is for a call that has something else to do.
local MAX_REAPED, MAX_ASIDE, MAX_GRANTED, MAX_VISITED, MAX_SCANNED = 64, 16, 64, 128, 1000

-- Which classes at the node itself stand in the way of a kind.
local IN_THE_WAY = { { 1, 2, 3, 4, 5, 6 }, { 1, 2, 3, 4 }, { 1, 2, 5 }, { 1, 2 } }

-- -------------------------------------------------------------------------------------------------
-- the server

-- Which server was greeted last, and up to when (in tree time) nothing new is granted, as that one
-- may have forgotten what is held (I10). 0 if no grace period is open.
local known = call('HGET', NODES, 'server')
if server and not (known and sub(known, 1, 40) == server) then
  return redis.error_reply('HELLO this server has not been greeted') -- nothing has been done
end
local grace = known and tonumber(sub(known, 42)) or 0

-- -------------------------------------------------------------------------------------------------
-- the clock

-- The time in the tree when the script began, and the last number that was drawn or time at which
-- an end was set (I1).
local now, tick

-- The tree's time is the server's plus an offset. Where that would be before `tick` the server's
-- clock has been set back: then the offset is raised, and time goes on from `tick`.
--
-- One command reads up to two more fields of NODES on the way: their values are returned.
local function read_clock(...)
  local time, clock = call('TIME'), call('HMGET', NODES, 'tick', 'offset', ...)
  local offset = tonumber(clock[2] or 0)
  now, tick = time[1] * 1000000 + time[2] + offset, tonumber(clock[1] or 0)
  if now < tick then
    call('HSET', NODES, 'offset', digits('%.0f', offset + tick - now))
    now = tick
  end
  if grace > 0 and grace <= now then
    grace = 0
    call('HSET', NODES, 'server', sub(known, 1, 40))
  end
  return clock[3], clock[4]
end

local function raise_tick(to)
  if tick == 0 then
    -- A greater token than this one was given since; a smaller one before the server lost its data.
    call('HSET', NODES, 'born', to)
  end
  tick = to
  call('HSET', NODES, 'tick', to)
end

-- A fencing token, or an arrival number.
local function next_tick()
  raise_tick(math.max(tick + 1, now))
  return tick
end

-- Sets the end of a holder, a waiter or a tombstone. With `raise` it only ever gets later. `tick`
-- is at least the time at which this was done: so when the clock is set back no end is further away
-- than when it was set (I1).
local function set_end(token, at, raise)
  if raise then
    call('ZADD', DEADLINES, 'GT', at, token)
  else
    call('ZADD', DEADLINES, at, token)
  end
  if tick < now then
    raise_tick(now)
  end
end

-- What is left of its time; not positive once it is over.
local function time_left(token)
  return call('ZSCORE', DEADLINES, token) - now
end

-- -------------------------------------------------------------------------------------------------
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

-- The six counts of each node of a chain, by class; `false` for a node without any.
local function counts(key, list)
  local nodes = call('HMGET', key, unpack(list))
  for i = 1, #list do
    local packed = nodes[i]
    if packed then
      local node = { unpack_counts(layout, packed) }
      node[7] = nil -- where the reading ended
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
    local xs, xn, ss, sn, x_below, s_below = node[1], node[2], node[3], node[4], node[5], node[6]
    if xs + xn + ss + sn + x_below + s_below == 0 then
      nodes[i] = false
      gone = gone or {}
      gone[#gone + 1] = list[i]
    else
      set[length + 1] = list[i]
      set[length + 2] = pack(layout, xs, xn, ss, sn, x_below, s_below)
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
-- last node; nil if nothing does.
--
-- This is the conflict table: IN_THE_WAY for the node, and the loop for its ancestors. There are
-- four copies of it in the scripts. The others are in acquire_fast.lua, in release_fast.lua (who
-- waits that the lock kept out), and the loop over ancestors again in `earliest` below. What keeps
-- them equal is tests/redis/programs.rs, which holds each against a fifth, written in another way.
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

-- -------------------------------------------------------------------------------------------------
-- the records

-- `kind,number,version,` and then what the client wrote: `lease,claim,client,length of owner,owner
-- path`. The number is a waiter's arrival or a holder's fencing token. The version is that of the
-- last request that set the end exactly; see refresh.lua.
local function record(kind, number, version, about)
  return digits('%d,%.0f,%.0f,', kind, number, version) .. about
end

local function parse(text)
  local kind, number, version, about, lease, claim, client, length, rest =
    match(text, '^(%d),(%d+),(%d+),()(%d+),(%d+),([^,]*),(%d+),()')
  local path = rest + length
  return {
    kind = tonumber(kind), number = tonumber(number), version = tonumber(version),
    about = sub(text, about), lease = tonumber(lease), claim = tonumber(claim), client = client,
    owner = sub(text, rest, path - 1), path = sub(text, path),
  }
end

-- Clients that may keep what they do not use are in the tree from now on: so who is blocked has to
-- look for what they keep.
local function note_keeper(about)
  if find(about, KEEPER) then
    call('HSET', NODES, 'keeps', 1)
  end
end

-- A token's entry in HOLDERS: by path, then by kind.
local function place(path, kind, token)
  return path .. '\0' .. kind .. token
end

-- A waiter's entry in the queue of `class` at `path`: in order of arrival.
local function ticket(path, class, number, token)
  return path .. '\0' .. class .. digits('%016.0f', number) .. token
end

-- -------------------------------------------------------------------------------------------------
-- holders and waiters

-- The members of a set are given the fencing token that was drawn for all of them.
local function grant(list, held, token, kind, about, duration, fence)
  local path = list[#list]
  fence = fence or next_tick()
  add(NODES, list, held, kind, 1)
  call('HSET', NODES, token, record(kind, fence, 0, about))
  note_keeper(about)
  call('ZADD', DEADLINES, now + duration, token)
  call('ZADD', HOLDERS, 0, place(path, kind, token))
  return fence
end

-- The last letter of the token of a waiter that is a held shared lock on its way to become
-- exclusive: the token before it is the lock's. It goes before all other waiters.
local UPGRADE = '^'

-- The last letter of the token of a tombstone: no upgrade of the lock with the token before it is
-- carried out any more, up to the number in the record. It is another letter than a waiter's, so
-- that the next upgrade may wait beside it.
local GIVEN_UP = '~'

-- A waiter stands in its own node's queue and, as one below, in a queue of each node above. So the
-- earliest waiter of any class is at the head of a queue (I4).
local function tickets(list, kind, number, token, each)
  if sub(token, -1) == UPGRADE then
    number = 0
  end
  local below, last = kind <= 2 and 5 or 6, #list
  for i = 1, last do
    each(ticket(list[i], i == last and kind or below, number, token))
  end
end

-- One lock that a waiter waits for: to the queues, and out of them again.
local function line_up(list, waiting, token, kind, number)
  local entries = {}
  tickets(list, kind, number, token, function(entry)
    entries[#entries + 1] = 0
    entries[#entries + 1] = entry
  end)
  add(WAITING, list, waiting, kind, 1)
  call('ZADD', QUEUES, unpack(entries))
end

local function step_out(list, waiting, token, kind, number)
  local entries = {}
  tickets(list, kind, number, token, function(entry)
    entries[#entries + 1] = entry
  end)
  add(WAITING, list, waiting, kind, -1)
  call('ZREM', QUEUES, unpack(entries))
end

-- A waiter's own: its record and its end. `waiting`: the counts of a chain after it has gone.
local function note_waiter(token, kind, number, about, beat)
  call('HSET', WAITERS, token, record(kind, number, 0, about))
  call('HSET', NODES, 'waiting', 1)
  note_keeper(about)
  call('ZADD', DEADLINES, now + beat, token)
end

local function drop_waiter(token, waiting)
  call('HDEL', WAITERS, token)
  call('ZREM', DEADLINES, token)
  if not waiting[1] then
    call('HDEL', NODES, 'waiting') -- the fast paths look at this alone (I9)
  end
end

local function enqueue(list, waiting, token, kind, about, beat)
  local number = next_tick()
  line_up(list, waiting, token, kind, number)
  note_waiter(token, kind, number, about, beat)
  return number
end

local function dequeue(list, waiting, token, waiter)
  step_out(list, waiting, token, waiter.kind, waiter.number)
  drop_waiter(token, waiting)
end

-- A shared lock does not wait to become exclusive any more. Whether it did. The caller hands over.
local function drop_upgrade(token, list)
  local text = call('HGET', WAITERS, token .. UPGRADE)
  if text then
    dequeue(list, counts(WAITING, list), token .. UPGRADE, parse(text))
    return true
  end
end

local function ungrant(list, held, token, kind)
  if kind >= 3 then
    drop_upgrade(token, list)
  end
  add(NODES, list, held, kind, -1)
  call('HDEL', NODES, token)
  call('ZREM', DEADLINES, token)
  call('ZREM', HOLDERS, place(list[#list], kind, token))
end

-- The head of a queue: its arrival number, as 16 digits, and its token.
local function head(path, class)
  local first = call('ZRANGEBYLEX', QUEUES, '[' .. path .. '\0' .. class, '(' .. path .. '\0' .. (class + 1), 'LIMIT', 0, 1)[1]
  if first then
    return sub(first, #path + 3, #path + 18), sub(first, #path + 19)
  end
end

-- The arrival number and the token of the earliest waiter that stands in the way of `kind`, those
-- in that kind's own queue left out. If there is none the number is greater than any.
local function earliest(list, waiting, kind)
  local first, token, last = ':', nil, #list
  local function look(i, class)
    if waiting[i][class] > 0 then
      local number, its = head(list[i], class)
      if number and number < first then
        first, token = number, its
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
  return first, token
end
