use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use airlock_access::{Algorithm, KeyName, SigningKey, public_jwks};
use airlock_resources::{DocumentConfig, DocumentError};
use tokio::{sync::Semaphore, time::Instant};

use super::{published::Fetch, *};

/// Somebody who publishes keys, as far as a set can see.
struct Publisher {
    text: Mutex<Option<String>>,
    fetched: AtomicUsize,
    /// A fetch ends when it gets one of these.
    lets_end: Semaphore,
}

impl Publisher {
    /// Answers at once.
    fn prompt() -> Arc<Self> {
        Self::letting_end(1_000_000)
    }

    fn letting_end(fetches: usize) -> Arc<Self> {
        let lets_end = Semaphore::new(fetches);
        Arc::new(Self { text: Mutex::default(), fetched: AtomicUsize::new(0), lets_end })
    }

    fn publish(&self, kids: &[&str]) {
        let keys: Vec<_> = kids.iter().map(|kid| SigningKey::generate(Algorithm::EdDsa, kid).unwrap()).collect();
        *self.text.lock().unwrap() = Some(public_jwks(&keys.iter().collect::<Vec<_>>()));
    }

    fn say(&self, text: &str) {
        *self.text.lock().unwrap() = Some(text.to_owned());
    }

    fn fetches(&self) -> usize {
        self.fetched.load(SeqCst)
    }

    /// What it publishes when it is asked counts, not when it answers.
    fn fetch(self: &Arc<Self>) -> Fetch {
        let publisher = Arc::clone(self);
        Box::new(move || {
            publisher.fetched.fetch_add(1, SeqCst);
            let (text, publisher) = (publisher.text.lock().unwrap().clone(), Arc::clone(&publisher));
            Box::pin(async move {
                publisher.lets_end.acquire().await.unwrap().forget();
                text.ok_or(DocumentError::Status(500))
            })
        })
    }
}

/// A state directory that goes away with the value.
struct State(PathBuf);

impl State {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("airlock-keys-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        Self(std::env::temp_dir().join(name))
    }

    fn kept(&self) -> Kept {
        Kept::new(&self.0, &name("https://i.example"))
    }

    fn open(&self, publisher: &Arc<Publisher>) -> Published {
        self.open_after(None, &name("https://i.example"), publisher)
    }

    /// As a ring opens one.
    fn open_after(&self, before: Option<&Published>, name: &SetName, publisher: &Arc<Publisher>) -> Published {
        let begin = beginning(name, &self.0, before);
        Published::fetched_with(name.clone(), publisher.fetch(), begin, &Handle::current())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn name(iss: &str) -> SetName {
    let url = "https://i.example/keys".to_owned();
    let source = PublishedSource {
        document: DocumentConfig { url, ..DocumentConfig::default() },
        refresh_s: 300,
        max_age_s: 3_600,
    };
    SetName { iss: iss.to_owned(), source, algorithms: Algorithms::OWN, trusted: None }
}

fn kid(name: &str) -> KeyName {
    KeyName::Id(name.to_owned())
}

fn kids(set: &Published) -> Vec<String> {
    set.keys().iter().flat_map(KeySet::key_ids).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_set_is_fetched_when_it_is_opened() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a", "b"]);
    let set = state.open(&publisher);
    set.settled().await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["a".to_owned(), "b".to_owned()], 1));
}

#[tokio::test]
async fn one_unknown_key_is_looked_for_and_a_flood_of_them_not_again() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a"]);
    let set = state.open(&publisher);
    set.settled().await;
    publisher.publish(&["a2"]);
    set.look_for(&kid("a2")).await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["a2".to_owned()], 2));
    for number in 0..1_000 {
        set.look_for(&kid(&format!("random-{number}"))).await;
    }
    assert_eq!(publisher.fetches(), 4, "three at once, and 10 s have not passed");
    publisher.publish(&["a3"]);
    set.look_for(&kid("a3")).await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["a2".to_owned()], 4));
}

/// Whoever asks brings every key: a flood of strangers beside a rotation costs an honest token nothing that it would not have
/// got at once, and the publisher no more than it promised to be asked.
#[tokio::test]
async fn a_rotation_beside_strangers_is_seen_by_the_first_fetch_whoever_asked_for_it() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a"]);
    let set = state.open(&publisher);
    set.settled().await;
    for _ in 0..1_000 {
        set.look_for(&kid("retired")).await;
    }
    assert_eq!(publisher.fetches(), 2, "what was not there is not looked for again");
    publisher.publish(&["a", "b"]);
    for number in 0..1_000 {
        set.look_for(&kid(&format!("random-{number}"))).await;
        assert_eq!(kids(&set), ["a", "b"], "by the first of them already");
    }
    set.look_for(&kid("b")).await;
    assert_eq!(publisher.fetches(), 4);
}

/// A publisher that fails has not said that a key is not there.
#[tokio::test]
async fn a_key_is_looked_for_again_when_the_fetch_failed() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    let set = state.open(&publisher);
    set.look_for(&kid("a")).await;
    let before = publisher.fetches();
    publisher.publish(&["a"]);
    set.look_for(&kid("a")).await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["a".to_owned()], before + 1));
}

#[tokio::test]
async fn everybody_who_needs_a_new_key_waits_for_one_fetch() {
    let (state, publisher) = (State::new(), Publisher::letting_end(1));
    publisher.publish(&["a"]);
    let set = Arc::new(state.open(&publisher));
    set.settled().await;
    publisher.publish(&["b"]);
    let looking: Vec<_> = (0..100)
        .map(|_| {
            let set = Arc::clone(&set);
            tokio::task::spawn(async move {
                set.look_for(&kid("b")).await;
                kids(&set)
            })
        })
        .collect();
    while publisher.fetches() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(looking.iter().all(|one| !one.is_finished()), "nobody goes on before the fetch has ended");
    publisher.lets_end.add_permits(1);
    for one in looking {
        assert_eq!(one.await.unwrap(), ["b"]);
    }
    assert_eq!(publisher.fetches(), 2);
}

/// Otherwise a key would be missed that was published a moment after a fetch began.
#[tokio::test]
async fn a_fetch_that_began_before_the_key_was_there_is_followed_by_another() {
    let (state, publisher) = (State::new(), Publisher::letting_end(0));
    publisher.publish(&["a"]);
    let set = state.open(&publisher);
    while publisher.fetches() < 1 {
        tokio::task::yield_now().await;
    }
    publisher.publish(&["b"]);
    publisher.lets_end.add_permits(2);
    set.look_for(&kid("b")).await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["b".to_owned()], 2));
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a"]);
    let set = state.open(&publisher);
    set.settled().await;
    publisher.say(r#"{"keys":[]}"#);
    set.look_for(&kid("b")).await;
    assert_eq!((kids(&set), publisher.fetches()), (vec!["a".to_owned()], 2));
    let (state, silent) = (State::new(), Publisher::prompt());
    let empty = state.open(&silent);
    empty.settled().await;
    assert!(empty.keys().is_none() && silent.fetches() == 1);
}

#[tokio::test]
async fn whoever_listens_is_told_first_now_and_then_of_changes_alone() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a"]);
    let set = state.open(&publisher);
    set.settled().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = |until: usize| {
        let told = Arc::clone(&told);
        move |keys: Option<&KeySet>| {
            let mut told = told.lock().unwrap();
            told.push(keys.iter().flat_map(|keys| keys.key_ids()).collect::<Vec<_>>().join(","));
            told.len() < until
        }
    };
    set.subscribe(listener(100));
    assert_eq!(*told.lock().unwrap(), ["a"]);
    set.look_for(&kid("nobody")).await;
    assert_eq!((publisher.fetches(), told.lock().unwrap().len()), (2, 1), "the same keys are no news");
    drop(set);

    let again = Publisher::prompt();
    again.publish(&["c"]);
    let set = state.open(&again);
    told.lock().unwrap().clear();
    set.subscribe(listener(100));
    set.subscribe(listener(2));
    assert_eq!(*told.lock().unwrap(), ["a", "a"], "what was kept, at once");
    set.look_for(&kid("c")).await;
    assert_eq!(*told.lock().unwrap(), ["a", "a", "c"], "and the one who had enough no more");
}

#[tokio::test]
async fn what_was_kept_serves_while_the_publisher_is_away_and_until_it_is_too_old() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["a"]);
    let text = publisher.text.lock().unwrap().clone().unwrap();
    let now = clock::now_unix_s();
    let opened_at_age = |age: u64| {
        state.kept().save(&text, now - age, Instant::now()).unwrap();
        state.open(&Publisher::letting_end(0))
    };
    assert_eq!(kids(&opened_at_age(0)), ["a"]);
    assert_eq!(kids(&opened_at_age(3_500)), ["a"]);
    assert!(opened_at_age(3_600).keys().is_none());
    // What may be used is judged again: the file is no shortcut.
    state.kept().save(&text.replace("Ed25519", "Ed448"), now, Instant::now()).unwrap();
    assert!(state.open(&Publisher::letting_end(0)).keys().is_none());
}

#[tokio::test]
async fn keys_end_with_their_time_also_while_nobody_asks() {
    let (state, away) = (State::new(), Publisher::letting_end(0));
    let publisher = Publisher::prompt();
    publisher.publish(&["a"]);
    let text = publisher.text.lock().unwrap().clone().unwrap();
    state.kept().save(&text, clock::now_unix_s() - 3_595, Instant::now()).unwrap();
    away.lets_end.add_permits(100);
    let set = state.open(&away);
    let (sender, ended) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let tell = move |keys: Option<&KeySet>| {
        if keys.is_none()
            && let Some(sender) = sender.lock().unwrap().take()
        {
            let _ = sender.send(());
        }
        true
    };
    assert_eq!(kids(&set), ["a"]);
    set.subscribe(tell);
    ended.await.expect("told");
    assert!(set.keys().is_none());
}

/// What a reload opens anew begins with what the one before has seen, not with what was kept longer ago.
#[tokio::test]
async fn a_set_that_is_opened_in_other_words_knows_what_the_one_before_knew() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["gone", "stays"]);
    let text = publisher.text.lock().unwrap().clone().unwrap();
    let set = state.open(&publisher);
    set.settled().await;
    publisher.publish(&["stays"]);
    set.look_for(&kid("new")).await;
    assert_eq!(kids(&set), ["stays"]);
    // As if it had not been kept, and could not be removed.
    state.kept().save(&text, clock::now_unix_s(), Instant::now()).unwrap();
    let hangs = Publisher::letting_end(0);
    let mut renewed = name("https://i.example");
    renewed.source.refresh_s = 60;
    assert_eq!(kids(&state.open_after(Some(&set), &renewed, &hangs)), ["stays"]);
    assert_eq!(kids(&state.open_after(None, &renewed, &hangs)), ["gone", "stays"], "the twin, after a restart");
    let others = SetName { trusted: Some(Digest::of(b"others")), ..renewed.clone() };
    assert_eq!(state.open_after(Some(&set), &others, &hangs).keys(), None, "fetched under the word of others");
    let rsa = SetName { algorithms: [Algorithm::Rs256].into_iter().collect(), ..renewed };
    assert_eq!(state.open_after(Some(&set), &rsa, &hangs).keys(), None, "for other algorithms");
}

/// Otherwise a server that ends a moment later would bring it back.
#[tokio::test]
async fn a_key_is_gone_from_the_disk_before_anybody_sees_that_it_is_gone() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["gone", "stays"]);
    let set = state.open(&publisher);
    set.settled().await;
    let (kept, seen) = (state.kept(), Arc::new(Mutex::new(Vec::new())));
    let told = Arc::clone(&seen);
    set.subscribe(move |_| {
        let had = kept.load(clock::now_unix_s()).expect("kept");
        told.lock().unwrap().push(had.text.contains("gone"));
        true
    });
    publisher.publish(&["stays"]);
    set.look_for(&kid("new")).await;
    assert_eq!(*seen.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn a_set_that_cannot_be_kept_is_served_and_leaves_nothing_of_the_one_before() {
    let (state, publisher) = (State::new(), Publisher::prompt());
    publisher.publish(&["gone"]);
    let set = state.open(&publisher);
    set.settled().await;
    let keys = state.0.join("keys");
    let file = std::fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    std::fs::create_dir(file.with_extension("new")).unwrap();
    publisher.publish(&["stays"]);
    set.look_for(&kid("stays")).await;
    assert_eq!(kids(&set), ["stays"]);
    assert!(!file.exists() && state.kept().load(clock::now_unix_s()).is_none());
}

/// A `ca_file` is what it says, not what it is called.
#[tokio::test]
async fn a_ca_file_that_was_replaced_makes_another_set() {
    let state = State::new();
    std::fs::create_dir_all(&state.0).unwrap();
    let file = state.0.join("ca.pem");
    let mut source = name("https://i.example").source;
    source.document.ca_file = Some(file.clone());
    let read = || SetName::of("https://i.example", &source, Algorithms::OWN);
    std::fs::write(&file, "one").unwrap();
    let (first, again) = (read(), read());
    assert!(first == again && first.mark() == again.mark());
    std::fs::write(&file, "two").unwrap();
    let second = read();
    assert!(first != second && first.mark() != second.mark() && first.said() != second.said());
    assert!(first.is_beside(&second) && !first.has_same_word(&second));
}

#[tokio::test]
async fn a_ring_has_one_set_for_everybody_who_names_the_same() {
    let state = State::new();
    let ring = KeyRing::start(&state.0, Network::default());
    let (one, two) = (ring.open(&name("https://i.example")).unwrap(), ring.open(&name("https://i.example")).unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    let other = ring.open(&name("https://j.example")).unwrap();
    assert!(!Arc::ptr_eq(&one, &other));
    let wrong =
        SetName { source: PublishedSource { document: DocumentConfig::default(), ..name("x").source }, ..name("x") };
    assert!(ring.open(&wrong).is_err_and(|why| why.key() == Some("url")));
    let offline = KeyRing::offline(Network::default());
    assert!(offline.open(&name("https://i.example")).unwrap().keys().is_none() && offline.open(&wrong).is_err());
}
