//! Work on many things at once whose results are taken in order.
//!
//! Some threads read ahead, because a file on a mounted bucket takes its time to come and no processor; as many as there are
//! cores work on what was read. Only so many things are under way that memory does not grow with their number.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Threads that read ahead.
const READERS: usize = 4;

/// What becomes of the rest when a result was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// What is under way is finished and taken, and nothing else is begun.
    Finish,
    /// Nothing more is taken.
    Stop,
}

/// Reads and works on the things `range` on `workers` threads, and has `take` take the results on this one, in order.
///
/// # Errors
/// The first that `take` returns; nothing is taken then.
pub(super) fn in_order<R: Send, T: Send, E>(
    range: std::ops::Range<usize>,
    workers: usize,
    read: impl Fn(usize) -> R + Sync,
    work: impl Fn(usize, R) -> T + Sync,
    mut take: impl FnMut(T) -> Result<Next, E>,
) -> Result<(), E> {
    let under_way = READERS + 4 * workers;
    let (next, stopped) = (AtomicUsize::new(range.start), AtomicBool::new(false));
    let (give_room, room) = channel();
    let (to_work, read_ones) = sync_channel(under_way);
    let (to_take, done) = channel();
    let (room, read_ones) = (Mutex::new(room), Mutex::new(read_ones));
    thread::scope(|scope| {
        for _ in 0..READERS {
            let (room, next, stopped, read, to_work) = (&room, &next, &stopped, &read, to_work.clone());
            scope.spawn(move || {
                loop {
                    let has_room = room.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok();
                    if !has_room || stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= range.end || to_work.send((index, read(index))).is_err() {
                        return;
                    }
                }
            });
        }
        for _ in 0..workers.max(1) {
            let (read_ones, work, to_take) = (&read_ones, &work, to_take.clone());
            scope.spawn(move || {
                loop {
                    let next = read_ones.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((index, read)) = next else { return };
                    if to_take.send((index, work(index, read))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((to_work, to_take));
        // In this order, so that whoever waits for room ends when this function does.
        let (done, give_room) = (done, give_room);
        for _ in 0..under_way {
            let _ = give_room.send(()); // where nobody reads any more, nobody needs room
        }
        let (mut early, mut index) = (BTreeMap::new(), range.start);
        while index < range.end {
            let Ok((arrived, result)) = done.recv() else { break };
            early.insert(arrived, result);
            while let Some(result) = early.remove(&index) {
                index += 1;
                let next = take(result).inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
                if next != Next::Continue {
                    stopped.store(true, Ordering::Relaxed);
                }
                if next == Next::Stop {
                    return Ok(());
                }
                let _ = give_room.send(());
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(
        range: std::ops::Range<usize>,
        next: impl Fn(usize) -> Result<Next, String>,
    ) -> (Vec<usize>, Result<(), String>) {
        let mut taken = Vec::new();
        // Later things are ready before earlier ones.
        let work = |index: usize, read: usize| {
            thread::sleep(Duration::from_micros(if index.is_multiple_of(3) { 300 } else { 0 }));
            read + 1
        };
        let outcome = in_order(
            range,
            3,
            |index| index * 10,
            work,
            |result| {
                taken.push(result);
                next(result)
            },
        );
        (taken, outcome)
    }

    #[test]
    fn results_come_in_order_each_once() {
        for range in [0..0, 0..1, 5..9, 0..500] {
            let (results, outcome) = taken(range.clone(), |_| Ok(Next::Continue));
            assert_eq!((results, outcome), (range.map(|index| index * 10 + 1).collect(), Ok(())));
        }
    }

    #[test]
    fn what_is_under_way_is_finished_or_left_as_it_is_asked() {
        let at = |index: usize, then: Next| {
            move |result: usize| Ok(if result == index * 10 + 1 { then } else { Next::Continue })
        };
        let (results, outcome) = taken(0..10_000, at(100, Next::Stop));
        assert_eq!((results.len(), outcome), (101, Ok(())));
        let (results, outcome) =
            taken(0..10_000, |result| Ok(if result > 1000 { Next::Finish } else { Next::Continue }));
        assert!((102..200).contains(&results.len()) && outcome == Ok(()), "{}", results.len());
        assert!(results.iter().enumerate().all(|(index, result)| index * 10 + 1 == *result), "no gap");
        let (results, outcome) =
            taken(0..10_000, |result| if result > 50 { Err("full".into()) } else { Ok(Next::Continue) });
        assert_eq!((results.len(), outcome), (6, Err("full".into())));
    }
}
