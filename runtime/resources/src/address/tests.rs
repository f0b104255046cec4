use super::*;

/// Written down from the IANA registries, not from the tables above.
const TABLE: [(&str, AddressClass); 96] = {
    use AddressClass as C;
    [
        ("0.0.0.0", C::Unspecified),
        ("0.0.0.1", C::Unspecified),
        ("0.255.255.255", C::Unspecified),
        ("1.1.1.1", C::Global),
        ("8.8.8.8", C::Global),
        ("9.255.255.255", C::Global),
        ("10.0.0.0", C::Private),
        ("10.255.255.255", C::Private),
        ("11.0.0.0", C::Global),
        ("100.63.255.255", C::Global),
        ("100.64.0.0", C::SharedCarrier),
        ("100.100.100.200", C::Metadata),
        ("100.127.255.255", C::SharedCarrier),
        ("100.128.0.0", C::Global),
        ("126.255.255.255", C::Global),
        ("127.0.0.0", C::Loopback),
        ("127.0.0.1", C::Loopback),
        ("127.1.2.3", C::Loopback),
        ("127.255.255.255", C::Loopback),
        ("128.0.0.0", C::Global),
        ("169.253.255.255", C::Global),
        ("169.254.0.1", C::LinkLocal),
        ("169.254.169.253", C::LinkLocal),
        ("169.254.169.254", C::Metadata),
        ("169.254.170.2", C::LinkLocal),
        ("169.255.0.0", C::Global),
        ("172.15.255.255", C::Global),
        ("172.16.0.0", C::Private),
        ("172.31.255.255", C::Private),
        ("172.32.0.0", C::Global),
        ("192.0.0.1", C::Reserved),
        ("192.0.0.170", C::Reserved),
        ("192.0.1.0", C::Global),
        ("192.0.2.1", C::Documentation),
        ("192.88.99.1", C::Reserved),
        ("192.167.255.255", C::Global),
        ("192.168.0.1", C::Private),
        ("192.168.255.255", C::Private),
        ("192.169.0.0", C::Global),
        ("198.17.255.255", C::Global),
        ("198.18.0.1", C::Benchmarking),
        ("198.19.255.255", C::Benchmarking),
        ("198.20.0.0", C::Global),
        ("198.51.100.7", C::Documentation),
        ("203.0.113.7", C::Documentation),
        ("223.255.255.255", C::Global),
        ("224.0.0.1", C::Multicast),
        ("239.255.255.250", C::Multicast),
        ("240.0.0.1", C::Reserved),
        ("254.1.2.3", C::Reserved),
        ("255.255.255.255", C::Broadcast),
        ("::", C::Unspecified),
        ("::1", C::Loopback),
        ("::2", C::Reserved),
        ("::127.0.0.1", C::Reserved),
        ("::8.8.8.8", C::Reserved),
        ("::ffff:127.0.0.1", C::Loopback),
        ("::ffff:7f00:1", C::Loopback),
        ("::ffff:10.0.0.1", C::Private),
        ("::ffff:169.254.169.254", C::Metadata),
        ("::ffff:0.0.0.0", C::Unspecified),
        ("::ffff:8.8.8.8", C::Global),
        ("::ffff:0:127.0.0.1", C::Reserved),
        ("64:ff9b::7f00:1", C::Translated),
        ("64:ff9b::a9fe:a9fe", C::Translated),
        ("64:ff9b::808:808", C::Translated),
        ("64:ff9b:1::1", C::Translated),
        ("64:ff9b:1:ffff::1", C::Translated),
        ("100::1", C::Reserved),
        ("1fff::1", C::Reserved),
        ("2000::1", C::Global),
        ("2001::1", C::Translated),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", C::Translated),
        ("2001:2::1", C::Benchmarking),
        ("2001:10::1", C::Reserved),
        ("2001:20::1", C::Reserved),
        ("2001:1ff::1", C::Reserved),
        ("2001:200::1", C::Global),
        ("2001:db8::1", C::Documentation),
        ("2001:4860:4860::8888", C::Global),
        ("2002:7f00:1::", C::Translated),
        ("2002:a9fe:a9fe::1", C::Translated),
        ("2606:4700::1111", C::Global),
        ("3fff::1", C::Documentation),
        ("3fff:fff::1", C::Documentation),
        ("4000::1", C::Reserved),
        ("5f00::1", C::Reserved),
        ("fc00::1", C::UniqueLocal),
        ("fd00:ec2::254", C::Metadata),
        ("fd20:ce::254", C::Metadata),
        ("fdff:ffff::1", C::UniqueLocal),
        ("fe80::1", C::LinkLocal),
        ("febf::1", C::LinkLocal),
        ("fec0::1", C::Reserved),
        ("ff02::1", C::Multicast),
        ("ff0e::1", C::Multicast),
    ]
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

fn policy(allowed: &[&str], own: &[&str]) -> AddressPolicy {
    let own_listeners = own.iter().map(|text| text.parse().expect("listener")).collect();
    AddressPolicy::new(
        allowed.iter().map(|text| parse_net(text).expect("net")).collect(),
        &Network { own_listeners, resolver: None },
    )
}

fn check(policy: &AddressPolicy, address: &str) -> Result<(), Forbidden> {
    policy.check(SocketAddr::new(ip(address), 443))
}

#[test]
fn every_address_has_the_class_of_the_registry() {
    for (text, class) in TABLE {
        assert_eq!(classify(ip(text)), class, "{text}");
    }
}

#[test]
fn without_a_listing_only_global_addresses_are_targets() {
    let strict = policy(&[], &[]);
    for (text, class) in TABLE {
        let expected = if class == AddressClass::Global { Ok(()) } else { Err(Forbidden::Class(class)) };
        assert_eq!(check(&strict, text), expected, "{text}");
    }
}

#[test]
fn a_listing_opens_exactly_what_it_names_in_every_spelling() {
    let one = policy(&["127.0.0.1/32", "10.1.0.0/16", "::1"], &[]);
    for allowed in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "::1"] {
        assert_eq!(check(&one, allowed), Ok(()), "{allowed}");
    }
    for denied in ["127.0.0.2", "10.2.0.1", "::ffff:10.2.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"] {
        assert!(check(&one, denied).is_err(), "{denied}");
    }
}

#[test]
fn a_listed_translation_range_does_not_open_the_address_inside() {
    let nat64 = policy(&["64:ff9b::/96", "2002::/16", "2001::/32", "::/96"], &[]);
    assert_eq!(check(&nat64, "64:ff9b::808:808"), Ok(()));
    assert_eq!(check(&nat64, "64:ff9b::a9fe:a9fe"), Err(Forbidden::Class(AddressClass::Metadata)));
    assert_eq!(check(&nat64, "64:ff9b::7f00:1"), Err(Forbidden::Class(AddressClass::Loopback)));
    assert_eq!(check(&nat64, "2002:a00:1::"), Err(Forbidden::Class(AddressClass::Private)));
    assert_eq!(check(&nat64, "::10.0.0.1"), Err(Forbidden::Class(AddressClass::Private)));
    // Teredo carries the client's address with every bit turned: 80ff:fffe is 127.0.0.1.
    assert_eq!(check(&nat64, "2001::80ff:fffe"), Err(Forbidden::Class(AddressClass::Loopback)));
}

#[test]
fn what_is_no_single_machine_stays_closed_whatever_is_listed() {
    let all = policy(&["0.0.0.0/0", "::/0"], &[]);
    for address in ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        assert!(check(&all, address).is_err(), "{address}");
    }
    assert_eq!(check(&all, "192.168.1.1"), Ok(()));
}

#[test]
fn own_listeners_are_denied_even_where_loopback_is_listed() {
    let named = policy(&["127.0.0.0/8", "::1"], &["127.0.0.1:443"]);
    assert_eq!(check(&named, "127.0.0.1"), Err(Forbidden::OwnListener));
    assert_eq!(check(&named, "::ffff:127.0.0.1"), Err(Forbidden::OwnListener));
    assert_eq!(named.check("127.0.0.1:444".parse().expect("address")), Ok(()));
    let wildcard = policy(&["127.0.0.0/8", "::1"], &["0.0.0.0:443", "[::]:443"]);
    for address in ["127.0.0.1", "127.9.9.9", "::1"] {
        assert_eq!(check(&wildcard, address), Err(Forbidden::OwnListener), "{address}");
    }
    assert_eq!(check(&wildcard, "1.1.1.1"), Ok(()));
}
