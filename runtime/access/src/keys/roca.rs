//! RSA keys whose primes follow from little: those of Infineon's library (ROCA, CVE-2017-15361).

/// Every prime of such a key is a power of 65537 modulo these, and so is their product.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const GENERATOR: u32 = 65_537;

/// Whether a modulus, most significant byte first, is of that form. Of honest keys about one in 2^28 is (Nemec et al., CCS 2017,
/// section 2.2).
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let next = |power: &u32| Some(power * GENERATOR % prime).filter(|power| *power != 1);
        std::iter::successors(Some(1), next).any(|power| power == rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number times the generator, which is 2^16 + 1.
    fn times_generator(number: &[u8]) -> Vec<u8> {
        let (shifted, same) = ([number, &[0, 0]].concat(), [&[0, 0], number].concat());
        let mut carry = 0;
        let mut sum: Vec<u8> = shifted
            .iter()
            .zip(&same)
            .rev()
            .map(|(one, other)| {
                let digit = u16::from(*one) + u16::from(*other) + carry;
                carry = digit >> 8;
                digit.to_le_bytes()[0]
            })
            .collect();
        sum.push(u8::try_from(carry).unwrap());
        sum.reverse();
        sum.into_iter().skip_while(|byte| *byte == 0).collect()
    }

    #[test]
    fn a_power_of_the_generator_is_weak_and_its_neighbour_is_not() {
        let weak = (0..128).fold(vec![1], |number, _| times_generator(&number));
        assert_eq!(weak.len(), 257, "2049 bits");
        assert!(is_weak(&weak));
        let mut neighbour = weak.clone();
        neighbour[100] ^= 4;
        assert!(!is_weak(&neighbour));
    }
}
