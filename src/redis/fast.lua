-- The first lines of every script: the names of things, and what the fast paths need. docs/redis.md
-- explains all of it.
--
-- Kinds of a lock: 1 exclusive subtree, 2 exclusive node only, 3 shared subtree, 4 shared node
-- only; 0 is a tombstone. Classes of a count or a queue at a node: 1 to 4 are the locks on the node
-- itself, by kind; 5 and 6 are the exclusive and the shared ones strictly below it. A node's six
-- counts are packed into 24 bytes. NODES has counts by path, the record of each holder by its
-- token, and a few names: none of the three can be taken for another.
--
-- Lua's `..` prints a number with 14 digits, which a count of microseconds exceeds: such numbers go
-- straight into redis.call or through `digits`.
local NODES, DEADLINES, HOLDERS, WAITERS, QUEUES, WAITING, MAILBOX = unpack(KEYS)
local call, find, match, sub, digits = redis.call, string.find, string.match, string.sub, string.format
local pack, unpack_counts, layout = struct.pack, struct.unpack, '<I4I4I4I4I4I4'

-- A mailbox that nobody empties goes away.
local MAILBOX_MS = 60000

-- What a node has that a single lock holds: by the lock's kind, on the node itself and above it.
-- Most nodes have just that.
local OWN, ABOVE = {
  '\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0',
}, {
  '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0',
}
