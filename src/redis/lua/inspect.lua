-- inspect: would a lock be refused right now? Takes nothing; like acquire it first takes away what
-- is in the way and has expired.
--
-- ARGV: claim, kind, path. Returns { FREE, REFUSED, or AGAIN: that was more than one call takes
-- away; more }.
local FREE, REFUSED, AGAIN = 0, 1, 3
local _, kind, path = unpack(ARGV)

read_clock()
reap(MAX_ASIDE)
local _, _, at, _, _, expired = look(chain(path), tonumber(kind), nil)
return { expired and AGAIN or at and REFUSED or FREE, rest() }
