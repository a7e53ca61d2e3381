-- list: some of what is held, and of who waits: on a node, below it, and on the nodes above. For
-- the root that is all there is. If it is no more than one call shows, all of it is of one moment.
--
-- ARGV: claim, waiters (1: they come first; 0: only what is held), path, and where the call before
-- stopped: range and entry (1 and empty at first). Returns { where to go on, { range, entry }, or
-- false after the last; then for each lock that is held or waited for: 1 if it is held, else 0;
-- path, kind, owner, client (empty if it outlived its guard), token, fencing token or arrival, for
-- how long it has been held or has waited, time left of its lease or its heartbeat, 1 if its client
-- may keep it without a user, else 0 }.
--
-- A waiter stands in many queues (tree.lua), but in one of those that are gone through here: its
-- own node's, if that is above, and else the one at `path`.
local _, waiters, path, range, cursor = unpack(ARGV)
local list, ranges = chain(path), {}
if waiters == '1' then
  for i = 1, #list - 1 do
    ranges[#ranges + 1] = { list[i], QUEUES, WAITERS, '[' .. list[i] .. '\0001', '(' .. list[i] .. '\0005' }
  end
  ranges[#ranges + 1] = { path, QUEUES, WAITERS, '[' .. path .. '\0', '(' .. path .. '\1' }
end
for i = 1, #list - 1 do
  ranges[#ranges + 1] = { list[i], HOLDERS, NODES, '[' .. list[i] .. '\0', '(' .. list[i] .. '\1' }
end
ranges[#ranges + 1] = { path, HOLDERS, NODES, '[' .. path .. '\0', '(' .. path .. '\2' }

read_clock()
local reply, room, shown = { false }, MAX_SCANNED, 0
local function show(held, it, token, number, client, left)
  local age = math.max(now - number, 0)
  local kept = held == 1 and it.claim > 0 and find(token, '^k') and 1 or 0
  for _, value in ipairs({ held, it.path, it.kind, it.owner, client, token, number, age, left, kept }) do
    reply[#reply + 1] = value
  end
  shown = shown + 1
end

-- The members of a set that waits, whose ticket at a node this is: those on the node, or below.
local function each_member(set, at, class, left)
  for _, it in ipairs(read_members(set.path)) do
    local its = it.path == at and it.kind or is_below(it.path, at) and (it.kind <= 2 and 5 or 6)
    if its == class then
      show(0, it, it.token, set.number, set.client, left)
    end
  end
end

for i = tonumber(range), #ranges do
  local at, key, records, from, to = unpack(ranges[i])
  if cursor ~= '' then
    from, cursor = '(' .. cursor, ''
  end
  local entries = call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, room)
  local full
  for n, entry in ipairs(entries) do
    local held = key == HOLDERS
    local token = sub(entry, held and find(entry, '\0', 1, true) + 2 or #at + 19)
    local it, left = parse(call('HGET', records, token)), time_left(token)
    if left > 0 and it.kind == SET then
      each_member(it, at, tonumber(sub(entry, #at + 2, #at + 2)), left)
    elseif left > 0 then
      show(held and 1 or 0, it, token, it.number, it.client, left)
    end
    if shown >= MAX_SCANNED and n < #entries then
      full = { i, entry } -- sets of many members
      break
    end
  end
  room = room - #entries
  if full or room <= 0 then
    reply[1] = full or { i, entries[#entries] }
    break
  end
end
return reply
