-- downgrade: an exclusive lock becomes a shared one of the same scope, in one step. Sent again it
-- does nothing.
--
-- ARGV: claim, token, the last fencing token of the lock that its client knows. Returns { 1 if the
-- lock is held, else 0; more }. Or { 2, more, its last fencing token } if that is a greater one: it
-- has been raised since, and this request is late; or its client does not know yet, and asks again.
local token, number = ARGV[2], tonumber(ARGV[3])
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 then
  return { 0, false }
end
if is_undone(token, it, number) then
  return { 0, rest() }
end
if it.kind >= 3 then
  return { 1, false }
end
if it.number > number then
  return { 2, false, it.number }
end
local list = chain(it.path)
local held, shared = counts(NODES, list), it.kind + 2
add(NODES, list, held, it.kind, -1)
add(NODES, list, held, shared, 1)
call('HSET', NODES, token, record(shared, it.number, it.version, it.about))
call('ZREM', HOLDERS, place(it.path, it.kind, token))
call('ZADD', HOLDERS, 0, place(it.path, shared, token))
hand_over(it.path, it.kind == 1, '')
return { 1, rest() }
