//! Waiting for several host calls at once.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Runs two futures side by side and gives both results.
pub async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut left, mut right) = (None, None);
    poll_fn(move |cx| {
        advance(&mut left, first.as_mut(), cx);
        advance(&mut right, second.as_mut(), cx);
        match (left.take(), right.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (left, right) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs all futures side by side and gives their results in the same order.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |cx| {
        for (future, output) in &mut waiting {
            advance(output, future.as_mut(), cx);
        }
        if waiting.iter().any(|(_, output)| output.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(mem::take(&mut waiting).into_iter().filter_map(|(_, output)| output).collect())
    })
    .await
}

/// Polls a future that has no output yet; a finished future is never polled again.
fn advance<F: Future>(output: &mut Option<F::Output>, future: Pin<&mut F>, cx: &mut Context<'_>) {
    if output.is_some() {
        return;
    }
    if let Poll::Ready(value) = future.poll(cx) {
        *output = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Ready at the given poll, counted from one; a poll after that is an error.
    fn ready_at(turn: u32) -> impl Future<Output = u32> {
        let mut polls = 0;
        poll_fn(move |_| {
            polls += 1;
            assert!(polls <= turn, "polled after it was ready");
            if polls == turn { Poll::Ready(turn) } else { Poll::Pending }
        })
    }

    fn polls_until_ready<F: Future>(future: F) -> (u32, F::Output) {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        let mut polls = 0;
        loop {
            polls += 1;
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return (polls, output);
            }
        }
    }

    #[test]
    fn two_futures_wait_together_not_in_turn() {
        assert_eq!(polls_until_ready(join(ready_at(3), ready_at(2))), (3, (3, 2)));
    }

    #[test]
    fn many_results_keep_their_order() {
        assert_eq!(polls_until_ready(join_all([3, 1, 2].map(ready_at))), (3, vec![3, 1, 2]));
        assert_eq!(polls_until_ready(join_all(std::iter::empty::<std::future::Ready<()>>())), (1, vec![]));
    }
}
