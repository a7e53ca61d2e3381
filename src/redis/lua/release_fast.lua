-- The fast paths of release (I9): nobody waits anywhere in the tree, or the first in line takes the
-- place of a lock like its own. Everything else falls through to release.lua. Nothing is written
-- before the outcome is certain.
--
-- ARGV from 6 on: the fields of NODES to look at: 'tick', 'offset', 'waiting', the token, 'server',
-- and the nodes from the root down to the path. For a very long path the client sends none of them.
if ARGV[6] and ARGV[3] == '0' then
  local token, kind, path = ARGV[2], tonumber(ARGV[4]), ARGV[5]
  local nodes = call('HMGET', NODES, unpack(ARGV, 6))
  local last, own, above, below = #ARGV - 5, OWN[kind], ABOVE[kind <= 2 and 1 or 2], kind <= 2 and 5 or 6
  local text = nodes[4]
  local known = nodes[5]
  -- Held, and as that kind: so not a tombstone. With a grace period open, `known` is longer.
  local mine = text and sub(text, 1, 1) == ARGV[4] and not (known and #known > 40)
  if mine and not nodes[3] then
    local gone, set = { NODES, token }, nil
    for i = 6, last do
      local node = nodes[i]
      if node == (i < last and above or own) then
        gone[#gone + 1] = ARGV[i + 5]
      else
        local all, class = { unpack_counts(layout, node) }, i == last and kind or below
        all[class], all[7] = all[class] - 1, nil
        set = set or { NODES }
        set[#set + 1] = ARGV[i + 5]
        set[#set + 1] = pack(layout, unpack(all))
      end
    end
    call('HDEL', unpack(gone))
    if set then
      call('HSET', unpack(set))
    end
    call('ZREM', DEADLINES, token)
    call('ZREM', HOLDERS, path .. '\0' .. ARGV[4] .. token)
    return { 1, false }
  end

  -- The lock is exclusive, and every waiter that it kept out wants the same kind on the same node.
  -- Those are the waiters for the node, for a subtree around it, and (if the lock covers its own)
  -- for something below. Then the first of them takes its place. The counts of what is held stay as
  -- they are, and the new lock keeps out all that the old one did (I5).
  --
  -- Here is the third of four copies of the conflict table; see tree.lua.
  if mine and kind <= 2 and (known == server or not server) then
    local waits = call('HMGET', WAITING, unpack(ARGV, 11))
    local size = last - 5
    local alike, gone, set = waits[size], { WAITING }, { WAITING }
    for i = 1, size do
      local node = waits[i]
      if node == (i < size and above or own) then
        gone[#gone + 1] = ARGV[i + 10]
      elseif alike then
        local xs, xn, ss, sn, x_below, s_below = unpack_counts(layout, node)
        if i < size then
          alike = xs == 0 and ss == 0
          x_below = x_below - 1
        elseif kind == 1 then
          alike = xs > 0 and xn + ss + sn + x_below + s_below == 0
          xs = xs - 1
        else
          alike = xn > 0 and xs + ss + sn == 0
          xn = xn - 1
        end
        set[#set + 1] = ARGV[i + 10]
        set[#set + 1] = pack(layout, xs, xn, ss, sn, x_below, s_below)
      end
    end
    if alike then
      local place = path .. '\0' .. ARGV[4]
      local entry = call('ZRANGEBYLEX', QUEUES, '[' .. place, '(' .. path .. '\0' .. (kind + 1), 'LIMIT', 0, 1)[1]
      local next, arrival = sub(entry, #path + 19), sub(entry, #path + 3)
      local time = call('TIME')
      local now, fence = time[1] * 1000000 + time[2] + (nodes[2] or 0), nodes[1] + 1
      -- The long way raises the offset if the clock was set back (I1), and passes over a dead
      -- waiter (I5). A set has more to look at than this node.
      local record = fence <= now + 1 and call('ZSCORE', DEADLINES, next) + 0 > now and call('HGET', WAITERS, next)
      if record and sub(record, 1, 1) == ARGV[4] then
        local rest, claim, client = match(record, '^%d,%d+,()%d+,%d+,(%d+),([^,]*),')
        if fence < now then
          fence = now
        end
        local number = digits('%.0f', fence)
        call('HSET', NODES, 'tick', number, next, ARGV[4] .. ',' .. number .. ',' .. sub(record, rest))
        if waits[1] == (size == 1 and own or above) then -- the last one who waits in the tree
          call('HDEL', NODES, token, 'waiting')
        else
          call('HDEL', NODES, token)
        end
        call('ZADD', DEADLINES, now + claim, next)
        call('ZREM', DEADLINES, token)
        call('ZADD', HOLDERS, '0', place .. next)
        call('ZREM', HOLDERS, place .. token)
        call('HDEL', WAITERS, next)
        if gone[2] then
          call('HDEL', unpack(gone))
        end
        if set[2] then
          call('HSET', unpack(set))
        end
        local tickets = { QUEUES, entry }
        for i = 1, size - 1 do
          tickets[i + 2] = ARGV[i + 10] .. '\0' .. below .. arrival
        end
        call('ZREM', unpack(tickets))
        post(client, next .. ',' .. number)
        return { 1, false }
      end
    end
  end
end
