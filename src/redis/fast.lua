-- The first lines of every script: the names of things, and what the fast paths need. docs/redis.md explains all of it.
--
-- Kinds of a lock: 1 exclusive subtree, 2 exclusive node only, 3 shared subtree, 4 shared node only; 0 is a tombstone.
-- Classes of a count or a queue at a node: 1 to 4 are the locks on the node itself, by kind; 5 and 6 are the exclusive and
-- the shared ones strictly below it. A node's six counts are packed into 24 bytes.
--
-- Lua's `..` prints a number with 14 digits, which a count of microseconds exceeds: such numbers go straight into redis.call,
-- through `digits`, or, where it matters how long that takes, through `whole`.
local NODES, GRANTS, DEADLINES, HOLDERS, WAITERS, QUEUES, WAITING, MAILBOX = unpack(KEYS)
local call, find, match, sub, digits = redis.call, string.find, string.match, string.sub, string.format
local pack, unpack_counts, layout = struct.pack, struct.unpack, '<I4I4I4I4I4I4'

-- A node that has but one lock, on it or below, is by far the most common one: by class.
local ONE = {
  '\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0',
}

local function whole(micros)
  return digits('%d%06d', micros / 1000000, micros % 1000000)
end

-- The fields of NODES that a fast path reads: `first`, `waiting`, and the chain of nodes from the root down to `path`.
local function fields(first, path)
  local list, length = { first, 'waiting', '' }, 3
  local at = find(path, '\1', 2, true)
  while at do
    length = length + 1
    list[length] = sub(path, 1, at - 1)
    at = find(path, '\1', at + 1, true)
  end
  if path ~= '' then
    length = length + 1
    list[length] = path
  end
  return list, length
end
