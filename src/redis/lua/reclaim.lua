-- The first part of refresh: while a grace period is open, puts back what is held and was
-- forgotten.
--
-- A client with a grace period sends four more arguments for each token, behind all the others:
-- kind (0: it waits), fencing token, path, and the rest of the record. What such a token holds can
-- be in conflict with nothing that was granted since, as nothing was. It can be in conflict with
-- what this server does not know to have been given back. Then it stays forgotten (I10). The same
-- goes for a lock that is known as less than what it was raised to (I11): it becomes that again.
local tokens = server and (#ARGV - 1) / 7 or (#ARGV - 1) / 3
read_clock()
if server and grace > 0 then
  for i = 1, tokens do
    local token, more = ARGV[3 * i - 1], 3 * tokens + 4 * i - 2
    local kind, fence, path, about = tonumber(ARGV[more]), ARGV[more + 1], ARGV[more + 2], ARGV[more + 3]
    local raised = tonumber(match(ARGV[3 * i + 1], ',(%d+)$') or 0)
    local text = kind > 0 and call('HGET', NODES, token)
    local old = text and parse(text)
    if kind > 0 and (not old or old.kind > 0 and old.number < raised) then
      local list, from = chain(path), old and chain(old.path)
      if old then
        add(NODES, from, counts(NODES, from), old.kind, -1) -- it is not in its own way
      end
      local held, last = counts(NODES, list), #list
      local waiter = call('HGET', WAITERS, token)
      if not obstacle(held, last, kind) then
        waiter = waiter and parse(waiter)
        if waiter and waiter.kind == SET then
          dequeue_set(read_members(waiter.path), token, waiter.number)
        elseif waiter then
          dequeue(list, counts(WAITING, list), token, waiter)
        end
        if old then
          drop_upgrade(token, from)
          call('ZREM', HOLDERS, place(old.path, old.kind, token))
        end
        add(NODES, list, held, kind, 1)
        call('HSET', NODES, token, record(kind, fence, old and old.version or 0, about))
        note_keeper(about)
        call('ZADD', HOLDERS, 0, place(path, kind, token))
        set_end(token, now + 1, old)
      elseif old then
        add(NODES, from, counts(NODES, from), old.kind, 1)
      end
    end
  end
end
