//! SOQL: what is one query that only reads, and what is refused.

use airlock_analysis::soql;

use crate::fixture::Chance;

#[test]
fn queries_name_their_objects_and_fields() {
    for (text, objects, fields) in [
        ("SELECT Id, Name FROM Account", vec!["Account"], vec!["Id", "Name"]),
        (
            "select a.Id, a.Owner.Name from Account a where a.Name = 'x' limit 10",
            vec!["Account"],
            vec!["a.Id", "a.Owner.Name"],
        ),
        (
            "SELECT Id, (SELECT LastName FROM Contacts WHERE X > 1) FROM Account",
            vec!["Account", "Contacts"],
            vec!["Id"],
        ),
        (
            "SELECT COUNT(Id), Name n FROM Lead GROUP BY Name HAVING COUNT(Id) > 1",
            vec!["Lead"],
            vec!["COUNT", "Name", "n"],
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND CreatedDate = LAST_N_DAYS:30",
            vec!["Account", "Contact"],
            vec!["Id"],
        ),
        (
            "SELECT FIELDS(ALL) FROM Account WHERE A INCLUDES ('x;y', 'z') OR NOT (B != NULL) ORDER BY C DESC NULLS LAST OFFSET 3",
            vec!["Account"],
            vec!["FIELDS"],
        ),
        (
            "SELECT Id FROM Account WHERE D >= 2026-01-31T10:00:00.000Z AND N = -1.5 AND T = '\\'; DELETE \\\\'",
            vec!["Account"],
            vec!["Id"],
        ),
        ("SELECT Id FROM Account WITH SECURITY_ENFORCED LIMIT 1", vec!["Account"], vec!["Id"]),
    ] {
        let report = soql(text).expect(text);
        assert_eq!(
            (report.objects, report.fields),
            (objects.iter().map(ToString::to_string).collect(), fields.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
    let bound = soql("SELECT Id FROM A WHERE N = :name AND M IN :ids AND T = ':no'").expect("a query");
    assert_eq!(
        (bound.binds, bound.shape.as_str()),
        (vec!["ids".to_owned(), "name".to_owned()], "SELECT Id FROM A WHERE N = :name AND M IN :ids AND T = ?")
    );
}

#[test]
fn what_is_not_one_query_that_reads_is_refused() {
    for (text, part) in [
        ("", "begins with SELECT"),
        ("DELETE FROM Account", "begins with SELECT"),
        ("FIND {x} IN ALL FIELDS", "belongs into a string"),
        ("SELECT FROM Account", "at least one field"),
        ("SELECT Id", "FROM"),
        ("SELECT Id FROM", "an object"),
        ("SELECT Id FROM Account SELECT Id FROM Lead", "in braces"),
        ("SELECT Id FROM Account; SELECT Id FROM Lead", "into a string"),
        ("SELECT Id FROM Account) OR (Name = 'x'", "there is more"),
        ("SELECT Id FROM Account WHERE (Name = 'x'", "not closed"),
        ("SELECT Id FROM Account WHERE Name = 'x", "not closed"),
        ("SELECT Id FROM Account WHERE Name = 'x\\z'", "no such escape"),
        ("SELECT Id FROM Account WHERE Name = 'x\ny'", "line breaks"),
        ("SELECT Id FROM Account -- x", "into a string"),
        ("SELECT Id FROM Account /* x */", "into a string"),
        ("SELECT Id FROM Account FOR UPDATE", "`FOR UPDATE` changes"),
        ("SELECT Id FROM Account WHERE Name = 'x' for view", "`FOR VIEW` changes"),
        ("SELECT Id FROM Account FOR REFERENCE", "`FOR REFERENCE` changes"),
        ("SELECT Id FROM Account UPDATE TRACKING", "`UPDATE TRACKING` changes"),
        ("SELECT Id FROM Account UPDATE VIEWSTAT", "`UPDATE VIEWSTAT` changes"),
        ("SELECT 'x' FROM Account", "a field"),
        ("SELECT Id FROM 'Account'", "an object"),
    ] {
        let Err(refusal) = soql(text) else { panic!("accepted: {text}") };
        assert!(refusal.to_string().contains(part), "{text}: {refusal}");
    }
}

#[test]
fn no_text_makes_it_panic_or_take_long() {
    let bombs = [
        "(".repeat(60_000),
        format!("SELECT Id FROM A WHERE {}", "(".repeat(60_000)),
        "SELECT (".repeat(8_000),
        "'\\".repeat(30_000),
        ":".repeat(60_000),
    ];
    assert!(bombs.iter().all(|bomb| soql(bomb).is_err()));
    let seed = "SELECT Id, (SELECT X FROM Ys) FROM A a, a.B b WHERE N = 'it\\'s' AND D IN (1, 2) AND T = :t LIMIT 5";
    let mut chance = Chance(0x5eed_0077);
    for _ in 0..20_000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=chance.below(4) {
            let at = chance.below(text.len());
            match chance.below(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, ['\'', '\\', '(', ')', ':', '\u{0}', 'é', ','][chance.below(8)]),
                _ => text.swap(at, chance.below(at + 1)),
            }
        }
        let _ = soql(&text.into_iter().collect::<String>());
    }
}
