-- tidy: takes away some of what has expired anywhere, and hands over. For a client that was told
-- that there is more of it, and has time.
--
-- ARGV: claim. Returns { more }.
read_clock()
reap(MAX_REAPED)
return { rest() }
