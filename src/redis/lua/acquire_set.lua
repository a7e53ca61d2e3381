-- acquire_set: takes several locks as one, or says what stands in the way, or queues. Sent again it
-- claims, renews the heartbeat, and polls (I6).
--
-- ARGV: claim, wait (as for acquire), and for each member: token, kind, about (the rest of the
-- record, which has path and lease). The first token is the waiter's.
--
-- Returns what acquire returns. Where something stands in the way the number of the member (from 0)
-- follows. { CANCELLED, more }: this request was late: a member was given back before, or broken.
local REFUSED, GRANTED, WAITS, AGAIN, CANCELLED, KEPT = 0, 1, 2, 3, 4, 5

local wait, members = ARGV[2] == '1', {}
for i = 3, #ARGV, 3 do
  members[#members + 1] = read_member(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
local token = members[1].token

-- The records of the members that are held. Or `nil`, if this request is late: some member was
-- given back, and lies under a tombstone; or another one is held by whoever has it alone by now.
local function known()
  local records, many, lives = {}, 0, false
  for i, it in ipairs(members) do
    local text = call('HGET', NODES, it.token)
    local its = text and parse(text)
    if its and its.kind == 0 then
      return nil
    elseif its then
      records[i], many = its, many + 1
      lives = lives or time_left(it.token) > 0
    end
  end
  if lives and many < #members then
    return nil
  end
  return records, many
end

-- Granted before: the same grant again; as in acquire.lua, for each member.
local function claimed(records)
  for i, it in ipairs(members) do
    set_end(it.token, now + it.lease, records[i].version > 0 or records[i].client == '')
  end
  return { GRANTED, records[1].number, rest() }
end

read_clock()
if not known() then
  return { CANCELLED, false }
end
reap(MAX_ASIDE)
local records, many = known()
if not records then
  return { CANCELLED, rest() }
end
if many == #members then
  return claimed(records)
end
-- What is left of a grant whose time is up: some of it has been taken away.
for i in pairs(records) do
  remove(members[i].token)
end
local text = call('HGET', WAITERS, token)
local it = text and parse(text)
if it then
  -- Whoever asks lives.
  set_end(token, now + claim)
end

-- Whatever is in the way of one member has to be looked for anew if something was taken away for
-- the sake of another one: what waited for that may have been granted meanwhile; or this set.
local at, owner, left, expired, which
repeat
  local before = reaped
  for i, its in ipairs(members) do
    local so_far = reaped
    local _
    _, _, at, owner, left, expired = look(its.list, its.kind, it and it.number)
    if it and reaped > so_far and call('HGET', NODES, token) then
      return claimed((known()))
    end
    if at then
      which = i - 1
      break
    end
  end
until at or reaped == before

if not at then
  if it then
    dequeue_set(members, token, it.number)
  end
  return { GRANTED, grant_set(members), rest() }
end
if expired then
  return { AGAIN, at, owner, left, rest(), which }
end
-- A set that waits has all recalled that is in the way of any member.
local kept
for i, its in ipairs(members) do
  if wait or i == which + 1 then
    kept = recall(its.list, counts(NODES, its.list), its.kind, nil, wait)
  end
end
if wait then
  local number = it and it.number or enqueue_set(members, claim)
  return { WAITS, at, owner, left, rest(), number, which }
end
if it then
  remove(token)
  kept = false
end
return { kept and KEPT or REFUSED, at, owner, left, rest(), which }
