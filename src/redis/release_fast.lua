-- The fast paths of release: nobody waits anywhere in the tree, or the first in line takes the
-- place of a lock like its own. Everything else falls through to release.lua. Nothing is written
-- before it is certain.
--
-- ARGV from 6 on: the fields of NODES to look at, 'tick', 'waiting', the token, and the nodes from
-- the root down to the path. If that would be long they are not given.
if ARGV[6] and ARGV[3] == '0' then
  local token, kind, path = ARGV[2], tonumber(ARGV[4]), ARGV[5]
  local nodes = call('HMGET', NODES, unpack(ARGV, 6))
  local last, own, above, below = #ARGV - 5, OWN[kind], ABOVE[kind <= 2 and 1 or 2], kind <= 2 and 5 or 6
  local text = nodes[3]
  local mine = text and sub(text, 1, 1) == ARGV[4] -- not a tombstone
  if mine and not nodes[2] then
    local gone, set = { NODES, token }, nil
    for i = 4, last do
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

  -- An exclusive lock, and all who wait for the node, or for a subtree that it is in, or (if the
  -- lock covers its own) for something below, want the same: then the counts of what is held stay
  -- as they are, and what the old one kept out the new one does (I5).
  if mine and kind <= 2 then
    local waits = call('HMGET', WAITING, unpack(ARGV, 9))
    local size = last - 3
    local alike, gone, set = waits[size], { WAITING }, { WAITING }
    for i = 1, size do
      local node = waits[i]
      if node == (i < size and above or own) then
        gone[#gone + 1] = ARGV[i + 8]
      elseif alike then
        local a, b, c, d, e, f = unpack_counts(layout, node)
        if i < size then
          alike = a == 0 and c == 0
          e = e - 1
        elseif kind == 1 then
          alike = a > 0 and b + c + d + e + f == 0
          a = a - 1
        else
          alike = b > 0 and a + c + d == 0
          b = b - 1
        end
        set[#set + 1] = ARGV[i + 8]
        set[#set + 1] = pack(layout, a, b, c, d, e, f)
      end
    end
    if alike then
      local entry = call('ZRANGEBYLEX', QUEUES, '[' .. path .. '\0' .. ARGV[4], '(' .. path .. '\0' .. (kind + 1), 'LIMIT', 0, 1)[1]
      local next, arrival = sub(entry, #path + 19), sub(entry, #path + 3)
      local record = call('HGET', WAITERS, next)
      local about, claim, client = match(record, '^%d,%d+,()%d+,(%d+),([^,]*),')
      local time = call('TIME')
      local now, tick = time[1] * 1000000 + time[2], nodes[1] + 1
      if tick > now then
        now = tick
      end
      local fence = digits('%.0f', now)
      call('HSET', NODES, 'tick', fence, next, ARGV[4] .. ',' .. fence .. ',' .. sub(record, about))
      if waits[1] == (size == 1 and own or above) then -- the last one who waits in the tree
        call('HDEL', NODES, token, 'waiting')
      else
        call('HDEL', NODES, token)
      end
      call('ZADD', DEADLINES, now + claim, next)
      call('ZREM', DEADLINES, token)
      call('ZADD', HOLDERS, '0', path .. '\0' .. ARGV[4] .. next)
      call('ZREM', HOLDERS, path .. '\0' .. ARGV[4] .. token)
      call('HDEL', WAITERS, next)
      if gone[2] then
        call('HDEL', unpack(gone))
      end
      if set[2] then
        call('HSET', unpack(set))
      end
      local tickets = { QUEUES, entry }
      for i = 1, size - 1 do
        tickets[i + 2] = ARGV[i + 8] .. '\0' .. below .. arrival
      end
      call('ZREM', unpack(tickets))
      call('RPUSH', MAILBOX .. client, next .. ',' .. fence)
      call('PEXPIRE', MAILBOX .. client, MAILBOX_MS)
      return { 1, false }
    end
  end
end
