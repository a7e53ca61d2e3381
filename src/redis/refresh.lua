-- refresh: one call for all that a process holds and waits for. A holder's deadline is set anew; a
-- waiter's heartbeat, too, and it is served if its turn has come and a client that should have seen
-- to that is gone.
--
-- ARGV: claim, then token and lease in turns (a waiter's lease is not looked at) Returns { more,
-- then for each token: -2 lost, or not known; -1 held; else it waits, for this long if it is for a
-- holder }. A waiter whose lock has been granted is -1, too: it has a message and claims with
-- acquire.
read_clock()
local more = reap()
local reply = { more }
for i = 2, #ARGV, 2 do
  local token = ARGV[i]
  local text = call('HGET', NODES, token)
  if text then
    local held = parse(text)
    -- Who holds one looks at the time first; whoever is left of a detached one cannot.
    if held.kind == 0 or held.client == '' and tonumber(call('ZSCORE', DEADLINES, token)) <= now then
      reply[#reply + 1] = -2
    else
      call('ZADD', DEADLINES, now + tonumber(ARGV[i + 1]), token)
      reply[#reply + 1] = -1
    end
  else
    text = call('HGET', WAITERS, token)
    if text then
      local it = parse(text)
      serve(it.path)
      if call('HEXISTS', NODES, token) == 1 then
        reply[#reply + 1] = -1
      else
        call('ZADD', DEADLINES, now + claim, token)
        local list = chain(it.path)
        local _, _, left = blocker(list, counts(NODES, list), counts(WAITING, list), it.kind)
        reply[#reply + 1] = left >= 0 and left or claim
      end
    else
      reply[#reply + 1] = -2
    end
  end
end
return reply
