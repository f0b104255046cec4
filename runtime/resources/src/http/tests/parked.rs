use super::*;
use crate::http::parked::Parked;

/// Says when it is gone.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn parked(seconds: Option<u64>) -> (Parked<Held>, impl Fn() -> usize) {
    let gone = Arc::<AtomicUsize>::default();
    let ends = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (Parked::until(ends, Held(Arc::clone(&gone))), move || gone.load(Ordering::SeqCst))
}

#[tokio::test]
async fn what_nobody_takes_in_time_is_dropped_by_itself() {
    let (late, gone) = parked(Some(0));
    let began = Instant::now();
    while gone() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(late.take().is_none());
}

#[tokio::test]
async fn what_is_taken_in_time_or_has_no_end_stays() {
    for seconds in [Some(3_600), None] {
        let (parked, gone) = parked(seconds);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let held = parked.take();
        assert_eq!((held.is_some(), gone()), (true, 0));
    }
}

#[tokio::test]
async fn what_is_let_go_of_is_dropped_at_once() {
    let (dropped, gone) = parked(Some(3_600));
    tokio::task::yield_now().await;
    drop(dropped);
    assert_eq!(gone(), 1);
}
