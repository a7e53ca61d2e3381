-- The codes that a reply of acquire begins with; acquire.lua says what follows each.
local REFUSED, GRANTED, WAITS, AGAIN, CANCELLED, KEPT = 0, 1, 2, 3, 4, 5

-- The fast path of acquire (I9): nobody waits anywhere in the tree, and no count stands in the way.
-- Everything else falls through to acquire.lua. Nothing is written before the outcome is certain.
--
-- ARGV from 8 on: the fields of NODES to look at: 'tick', 'offset', 'waiting', the token, 'server',
-- and the nodes from the root down to the path. For a very long path the client sends none of them.
--
-- Here is the second of four copies of the conflict table; see tree.lua.
if ARGV[8] then
  local token, kind = ARGV[2], tonumber(ARGV[3])
  local nodes = call('HMGET', NODES, unpack(ARGV, 8))
  local last, own, above = #ARGV - 7, OWN[kind], ABOVE[kind <= 2 and 1 or 2]
  -- With a grace period open, `known` is longer. Then nobody is granted anything here.
  local known, set = nodes[5], { NODES, 'tick', 0, token, 0 }
  local free = nodes[1] and not nodes[3] and not nodes[4] and (known == server or not server and #known == 40)
  for i = 6, last do
    local node, value = nodes[i], nil
    if not node then
      value = i < last and above or own
    else
      local xs, xn, ss, sn, x_below, s_below = unpack_counts(layout, node)
      if i < last then
        free = free and xs == 0 and (ss == 0 or kind > 2)
        value = kind <= 2 and pack(layout, xs, xn, ss, sn, x_below + 1, s_below)
          or pack(layout, xs, xn, ss, sn, x_below, s_below + 1)
      elseif kind <= 2 then
        free = free and xs + xn + ss + sn == 0 and (kind == 2 or x_below + s_below == 0)
        value = kind == 1 and own or pack(layout, 0, 1, 0, 0, x_below, s_below)
      else
        free = free and xs + xn == 0 and (kind == 4 or x_below == 0)
        value = kind == 3 and pack(layout, xs, xn, ss + 1, sn, x_below, s_below)
          or pack(layout, xs, xn, ss, sn + 1, x_below, s_below)
      end
    end
    set[i + i - 6], set[i + i - 5] = ARGV[i + 7], value
  end
  if free then
    local time = call('TIME')
    local now, fence = time[1] * 1000000 + time[2] + (nodes[2] or 0), nodes[1] + 1
    -- If the clock was set back the offset must be raised, which is not done here (I1). What
    -- expired elsewhere is in nobody's way, but must go at some time: one call in sixteen goes the
    -- long way, which looks after it.
    if fence <= now + 1 and now % 16 > 0 then
      if fence < now then
        fence = now
      end
      local number = digits('%.0f', fence)
      set[3], set[5] = number, ARGV[3] .. ',' .. number .. ',0,' .. ARGV[6]
      if find(ARGV[6], KEEPER) then
        set[#set + 1], set[#set + 2] = 'keeps', 1
      end
      call('HSET', unpack(set))
      call('ZADD', DEADLINES, now + ARGV[5], token)
      call('ZADD', HOLDERS, '0', ARGV[4] .. '\0' .. ARGV[3] .. token)
      return { GRANTED, fence, false }
    end
  end
end
