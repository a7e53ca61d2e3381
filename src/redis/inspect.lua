-- inspect: would a lock be refused right now? Takes nothing; like acquire it first takes away what
-- has expired.
--
-- ARGV: claim, kind, path. Returns { 1 if it would, 0 if not, 3 to ask again; more }.
local _, kind, path = unpack(ARGV)
kind = tonumber(kind)

read_clock()
local list = chain(path)
local more, again = reap()
if again then
  return { 3, more }
end
local refused = obstacle(counts(NODES, list), #list, kind) or obstacle(counts(WAITING, list), #list, kind)
return { refused and 1 or 0, more }
