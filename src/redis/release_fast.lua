-- The fast path of release: nobody waits anywhere in the tree. Everything else falls through to release.lua.
--
-- ARGV from 6 on: the fields of NODES to look at, 'waiting', the token, and the nodes from the root down to the path. If that
-- would be long they are not given.
if ARGV[6] and ARGV[3] == '0' then
  local token, kind = ARGV[2], tonumber(ARGV[4])
  local nodes = call('HMGET', NODES, unpack(ARGV, 6))
  local text = not nodes[1] and nodes[2]
  if text and sub(text, 1, 1) == ARGV[4] then -- not a tombstone
    local last, own, above = #ARGV - 5, OWN[kind], ABOVE[kind <= 2 and 1 or 2]
    local gone, set = { NODES, token }, nil
    for i = 3, last do
      local node = nodes[i]
      if node == (i < last and above or own) then
        gone[#gone + 1] = ARGV[i + 5]
      else
        local all, class = { unpack_counts(layout, node) }, i == last and kind or kind <= 2 and 5 or 6
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
    call('ZREM', HOLDERS, ARGV[5] .. '\0' .. ARGV[4] .. token)
    return { 1, false }
  end
end
