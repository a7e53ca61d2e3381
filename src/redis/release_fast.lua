-- The fast path of release: nobody waits anywhere in the tree. Everything else falls through to release.lua.
if ARGV[3] == '0' then
  local token, kind, path = ARGV[2], tonumber(ARGV[4]), ARGV[5]
  local list, last = fields('tick', path)
  local nodes = call('HMGET', NODES, unpack(list))
  local text = not nodes[2] and call('HGET', GRANTS, token)
  if text and sub(text, 1, 1) == ARGV[4] then -- not a tombstone
    call('HDEL', GRANTS, token)
    local below = kind <= 2 and 5 or 6
    local gone, set = {}, nil
    for i = 3, last do
      local node, class = nodes[i], i == last and kind or below
      if node == ONE[class] then
        gone[#gone + 1] = list[i]
      else
        local all = { unpack_counts(layout, node) }
        all[class], all[7] = all[class] - 1, nil
        set = set or {}
        set[#set + 1] = list[i]
        set[#set + 1] = pack(layout, unpack(all))
      end
    end
    if gone[1] then
      call('HDEL', NODES, unpack(gone))
    end
    if set then
      call('HSET', NODES, unpack(set))
    end
    call('ZREM', DEADLINES, token)
    call('ZREM', HOLDERS, path .. '\0' .. ARGV[4] .. token)
    return { 1, false }
  end
end
