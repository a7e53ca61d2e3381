-- What the scripts share, part three: what clients keep that nobody uses (docs/redis.md).

-- Looks at all that is held in the way of a lock of `kind` on the last node of the chain, up to a
-- thousand locks around it. Each client that may keep some of it unused is told that it is wanted:
-- `?kind,path`, into its mailbox. `held`: the counts of the chain; `own`: a token that is not in
-- the way.
--
-- Returns whether all of it may be kept. Then nobody may be using it, and a request that does not
-- wait is not refused before those clients have answered: by giving it back, or by saying that it
-- is in use. If some of it surely is in use such a request is refused at once, and nobody is told.
local function recall(list, held, kind, own, waits)
  if not call('HGET', NODES, 'keeps') then
    return false
  end
  local last, clients, seen, busy, room = #list, {}, {}, false, MAX_SCANNED
  local function scan(from, to)
    local entries = room > 0 and call('ZRANGEBYLEX', HOLDERS, '[' .. from, '(' .. to, 'LIMIT', 0, room) or {}
    room = room - #entries
    for _, entry in ipairs(entries) do
      local at = find(entry, '\0', 1, true)
      local token = sub(entry, at + 2)
      if token ~= own and (kind <= 2 or tonumber(sub(entry, at + 1, at + 1)) <= 2) then
        local name = match(token, '^(k[^.]*)%.')
        local it = name and parse(call('HGET', NODES, token))
        if it and it.claim > 0 and it.client == name then
          if not seen[name] then
            seen[name], clients[#clients + 1] = true, name
          end
        else
          busy = true
        end
      end
    end
  end
  for i = 1, last do
    local here, node = list[i], held[i]
    if node and i < last and node[1] + node[3] > 0 then
      scan(here .. '\0001', here .. '\0002')
      scan(here .. '\0003', here .. '\0004')
    elseif node and i == last then
      scan(here .. '\0', here .. '\1')
      if kind % 2 == 1 then
        scan(here .. '\1', here .. '\2')
      end
    end
  end
  if waits or not busy then
    for _, name in ipairs(clients) do
      post(name, '?' .. kind .. ',' .. list[last])
    end
  end
  return clients[1] ~= nil and not busy
end

-- A token that a client gave to a later user of this lock, which it keeps: what is drawn from now
-- on is above it (I1). The tick is led no further than the time has gone on since the lock's own
-- token was drawn (K5). So that one has to be of this tree's time: one that is ahead of the tick
-- was drawn before the tree lost its data and its clock was set back. Leases would end early.
local function draw_up_to(it, fence)
  if it and it.kind > 0 and it.number <= tick and fence > tick then
    raise_tick(fence)
  end
end
