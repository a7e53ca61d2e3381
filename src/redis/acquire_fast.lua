-- The fast path of acquire: nobody waits anywhere in the tree, and no count stands in the way. Everything else falls through to
-- acquire.lua. Nothing is written before it is certain.
do
  local token, kind, path = ARGV[2], tonumber(ARGV[3]), ARGV[4]
  local list, last = fields('tick', path)
  local nodes = call('HMGET', NODES, unpack(list))
  local below = kind <= 2 and 5 or 6
  local free, set = nodes[1] and not nodes[2], { 'tick', 0 }
  for i = 3, last do
    local node, class = nodes[i], i == last and kind or below
    local value
    if not node then
      value = ONE[class]
    else
      local a, b, c, d, e, f = unpack_counts(layout, node)
      if i < last then
        free = free and a == 0 and (c == 0 or kind > 2)
        value = kind <= 2 and pack(layout, a, b, c, d, e + 1, f) or pack(layout, a, b, c, d, e, f + 1)
      elseif kind <= 2 then
        free = free and a + b + c + d == 0 and (kind == 2 or e + f == 0)
        value = kind == 1 and pack(layout, 1, 0, 0, 0, 0, 0) or pack(layout, 0, 1, 0, 0, e, f)
      else
        free = free and a + b == 0 and (kind == 4 or e == 0)
        value = kind == 3 and pack(layout, a, b, c + 1, d, e, f) or pack(layout, a, b, c, d + 1, e, f)
      end
    end
    set[i + i - 3], set[i + i - 2] = list[i], value
  end
  if free then
    local time = call('TIME')
    local now, tick = time[1] * 1000000 + time[2], nodes[1] + 1
    if tick > now then
      now = tick
    end
    local fence = whole(now)
    -- What expired elsewhere is in nobody's way, but must go at some time: one call in sixteen looks after it.
    if now % 16 > 0 and call('HSETNX', GRANTS, token, ARGV[3] .. ',' .. fence .. ',' .. ARGV[6]) == 1 then
      set[2] = fence
      call('HSET', NODES, unpack(set))
      call('ZADD', DEADLINES, whole(now + ARGV[5]), token)
      call('ZADD', HOLDERS, '0', path .. '\0' .. ARGV[3] .. token)
      return { 1, now, false }
    end
  end
end
