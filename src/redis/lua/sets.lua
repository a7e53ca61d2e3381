-- What the scripts share, between both parts: sets of locks, and locks that change. A set waits as
-- one: it has one record and one arrival number, and tickets at the nodes of all its members
-- (docs/redis.md). Once it is granted it is as many locks as it has members, with one fencing token
-- between them.

-- The kind of a waiter that is a set. In its record the members stand in the place of the path:
-- `kind,token,length of about,about` of each, where `about` is the rest of a record (tree.lua). The
-- waiter's token is that of its first member.
local SET = 5

local function is_below(path, top)
  return sub(path, 1, #top + 1) == top .. '\1'
end

-- A shared lock becomes exclusive. Its end stays.
local function make_exclusive(token, it, list)
  local held, kind, fence = counts(NODES, list), it.kind - 2, next_tick()
  add(NODES, list, held, it.kind, -1)
  add(NODES, list, held, kind, 1)
  call('HSET', NODES, token, record(kind, fence, it.version, it.about))
  call('ZREM', HOLDERS, place(it.path, it.kind, token))
  call('ZADD', HOLDERS, 0, place(it.path, kind, token))
  return fence
end

-- Leaves a lock that is held at or below a node out of the node's counts: it is in nobody's way who
-- has it.
local function leave_out(nodes, list, own)
  local last = #list
  local class = own.path == list[last] and own.kind or is_below(own.path, list[last]) and (own.kind <= 2 and 5 or 6)
  if class then
    nodes[last][class] = nodes[last][class] - 1
  end
end

-- One member: what is asked for with a token.
local function read_member(token, kind, about)
  local lease, length, rest = match(about, '^(%d+),%d+,[^,]*,(%d+),()')
  local path = sub(about, rest + length)
  return {
    token = token, kind = tonumber(kind), lease = tonumber(lease), about = about,
    owner = sub(about, rest, rest + length - 1), path = path, list = chain(path),
  }
end

-- All of them, from the record.
local function read_members(text)
  local members, at = {}, 1
  while at <= #text do
    local kind, token, length, from = match(text, '^(%d),([^,]+),(%d+),()', at)
    at = from + length
    members[#members + 1] = read_member(token, kind, sub(text, from, at - 1))
  end
  return members
end

-- Every member has its place in the counts. Where two of them have the same ticket (at a node above
-- both) it is in the queue once.
local function enqueue_set(members, beat)
  local number, text, longest = next_tick(), {}, 0
  for i, it in ipairs(members) do
    line_up(it.list, counts(WAITING, it.list), members[1].token, it.kind, number)
    text[i] = digits('%d,%s,%d,', it.kind, it.token, #it.about) .. it.about
    longest = math.max(longest, it.lease)
  end
  local claim, client = match(members[1].about, '^%d+,(%d+),([^,]*),')
  local owner = members[1].owner
  local about = digits('%.0f,%s,%s,%d,', longest, claim, client, #owner) .. owner .. table.concat(text)
  note_waiter(members[1].token, SET, number, about, beat)
  return number
end

local function dequeue_set(members, token, number)
  local waiting
  for _, it in ipairs(members) do
    waiting = counts(WAITING, it.list)
    step_out(it.list, waiting, token, it.kind, number)
  end
  drop_waiter(token, waiting)
end

-- `duration`: for how long; each for its own lease if it is not given.
local function grant_set(members, duration)
  local fence = next_tick()
  for _, it in ipairs(members) do
    grant(it.list, counts(NODES, it.list), it.token, it.kind, it.about, duration or it.lease, fence)
  end
  return fence
end

-- Tokens of waiters that are in the way, at most `most`; none if there is none. A newcomer comes
-- after all that wait. A waiter has its arrival number, and is told the earliest that came before.
local function waiters(list, waiting, kind, number, most)
  local last = #list
  if not number then
    local i, class = obstacle(waiting, last, kind)
    local tokens = {}
    if i then
      local path = list[i]
      for n, entry in ipairs(call('ZRANGEBYLEX', QUEUES, '[' .. path .. '\0' .. class, '(' .. path .. '\0' .. (class + 1), 'LIMIT', 0, most)) do
        tokens[n] = sub(entry, #path + 19)
      end
    end
    return tokens
  end
  local first, token = earliest(list, waiting, kind)
  if kind <= 2 then
    local own, its = head(list[last], kind)
    if own and own < first then
      first, token = own, its
    end
  end
  return { first < digits('%016.0f', number) and token or nil }
end

-- Whether anything stands in the way of any member of a set that waits, be it dead or not. Returns
-- how many members were looked at, and whether the last of them is blocked.
local function look_over(members, number)
  for n, it in ipairs(members) do
    local last = #it.list
    if obstacle(counts(NODES, it.list), last, it.kind) then
      return n, true
    end
    if waiters(it.list, counts(WAITING, it.list), it.kind, number, 1)[1] then
      return n, true
    end
  end
  return #members, false
end

-- Which member of a set that waits is in the way of a lock of `kind` on `path`: to name it. It
-- decides nothing. What decides is the copies of the conflict table that tree.lua speaks of.
local function member_in_the_way(set, path, kind)
  local members = read_members(set.path)
  for _, it in ipairs(members) do
    local meet = it.path == path or it.kind % 2 == 1 and is_below(path, it.path)
      or kind % 2 == 1 and is_below(it.path, path)
    if meet and (kind <= 2 or it.kind <= 2) then
      return it
    end
  end
  return members[1]
end
