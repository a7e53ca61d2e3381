/* What ThreadSanitizer has to know of the standard library that comes built, without the sanitizer:
 * which of its functions order memory. `scripts/tsan` links this file in where it cannot build the
 * standard library itself. The linker's option --wrap puts each function here in front of the real
 * one.
 *
 * Each says what the function does, no more: an acquire of, or a release to, the very address that
 * the function works on. So no race is hidden by it.
 */
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

typedef uint64_t u64;

/* `Arc` counts down with a release, and the last owner goes through an acquire *fence*, which
 * ThreadSanitizer does not know. A fence acquires what was released to the places that the thread
 * has read before. For `Arc` the place that the thread counted down last is enough. A standard
 * library built with the sanitizer reads the count again instead, which comes to the same.
 */
enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST }; /* as `__tsan_memory_order` has them */

static __thread volatile u64 *counted;

u64 __real___tsan_atomic64_fetch_sub(volatile u64 *address, u64 number, int order);
u64 __wrap___tsan_atomic64_fetch_sub(volatile u64 *address, u64 number, int order) {
    counted = address;
    return __real___tsan_atomic64_fetch_sub(address, number, order);
}

void __real___tsan_atomic_thread_fence(int order);
void __wrap___tsan_atomic_thread_fence(int order) {
    if (counted && order != RELAXED && order != RELEASE)
        __tsan_acquire((void *)counted);
    __real___tsan_atomic_thread_fence(order);
}

/* `Mutex`: a lock that had to be waited for. (The quick way and the unlocking are compiled where
 * they are used, with the sanitizer.)
 */
void __real_std_mutex_lock_contended(void *mutex);
void __wrap_std_mutex_lock_contended(void *mutex) {
    __real_std_mutex_lock_contended(mutex);
    __tsan_acquire(mutex);
}

/* `Condvar`: a wait unlocks the mutex and locks it again. */
void __real_std_condvar_wait(void *condvar, void *mutex);
void __wrap_std_condvar_wait(void *condvar, void *mutex) {
    __tsan_release(mutex);
    __real_std_condvar_wait(condvar, mutex);
    __tsan_acquire(mutex);
}

/* With the duration, in seconds and nanoseconds. */
char __real_std_condvar_wait_timeout(void *condvar, void *mutex, u64 seconds, uint32_t nanoseconds);
char __wrap_std_condvar_wait_timeout(void *condvar, void *mutex, u64 seconds, uint32_t nanoseconds) {
    __tsan_release(mutex);
    char in_time = __real_std_condvar_wait_timeout(condvar, mutex, seconds, nanoseconds);
    __tsan_acquire(mutex);
    return in_time;
}

/* `Once`, and with it `OnceLock`: a thread that finds it done acquires what was done. A thread that
 * has to wait does that in here; the others where they are compiled, with the sanitizer. The release
 * has to come before the mark that it is done, which is set after the closure. So the closure is
 * wrapped, too, and releases at its end. The second word of a `&mut dyn FnMut` points to the table
 * of its type: drop, size, alignment, `call_once`, `call_mut`.
 */
struct closure {
    void *original;
    void *const *table;
    void *once;
};

static void call_mut(struct closure *closure, void *state) {
    void (*original)(void *, void *) = (void (*)(void *, void *))closure->table[4];
    original(closure->original, state);
    __tsan_release(closure->once);
}

static void *const table[] = {
    0, (void *)sizeof(struct closure), (void *)_Alignof(struct closure), 0, (void *)call_mut,
};

void __real_std_once_call(void *once, char poisoned_too, void *closure, void *const *closure_table,
                          void *location);
void __wrap_std_once_call(void *once, char poisoned_too, void *closure, void *const *closure_table,
                          void *location) {
    struct closure ours = {closure, closure_table, once};
    __real_std_once_call(once, poisoned_too, &ours, table, location);
    __tsan_acquire(once);
}
