-- The fast path of acquire: nobody waits anywhere in the tree, and no count stands in the way.
-- Everything else falls through to acquire.lua. Nothing is written before it is certain.
--
-- ARGV from 8 on: the fields of NODES to look at, 'tick', 'waiting', the token, and the nodes from
-- the root down to the path. If that would be long they are not given.
if ARGV[8] then
  local token, kind = ARGV[2], tonumber(ARGV[3])
  local nodes = call('HMGET', NODES, unpack(ARGV, 8))
  local last, own, above = #ARGV - 7, OWN[kind], ABOVE[kind <= 2 and 1 or 2]
  local free, set = nodes[1] and not nodes[2] and not nodes[3], { NODES, 'tick', 0, token, 0 }
  for i = 4, last do
    local node, value = nodes[i], nil
    if not node then
      value = i < last and above or own
    else
      local a, b, c, d, e, f = unpack_counts(layout, node)
      if i < last then
        free = free and a == 0 and (c == 0 or kind > 2)
        value = kind <= 2 and pack(layout, a, b, c, d, e + 1, f) or pack(layout, a, b, c, d, e, f + 1)
      elseif kind <= 2 then
        free = free and a + b + c + d == 0 and (kind == 2 or e + f == 0)
        value = kind == 1 and own or pack(layout, 0, 1, 0, 0, e, f)
      else
        free = free and a + b == 0 and (kind == 4 or e == 0)
        value = kind == 3 and pack(layout, a, b, c + 1, d, e, f) or pack(layout, a, b, c, d + 1, e, f)
      end
    end
    set[i + i - 2], set[i + i - 1] = ARGV[i + 7], value
  end
  if free then
    local time = call('TIME')
    local now, tick = time[1] * 1000000 + time[2], nodes[1] + 1
    if tick > now then
      now = tick
    end
    -- What expired elsewhere is in nobody's way, but must go at some time: one call in sixteen
    -- looks after it.
    if now % 16 > 0 then
      local fence = digits('%.0f', now)
      set[3], set[5] = fence, ARGV[3] .. ',' .. fence .. ',' .. ARGV[6]
      call('HSET', unpack(set))
      call('ZADD', DEADLINES, now + ARGV[5], token)
      call('ZADD', HOLDERS, '0', ARGV[4] .. '\0' .. ARGV[3] .. token)
      return { 1, now, false }
    end
  end
end
