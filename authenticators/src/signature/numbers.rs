//! Big-endian numbers of any width, just enough for signatures.

/// Subtracts two numbers of the same width, the second not the larger.
pub(super) fn difference(from: &[u8], what: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut out: Vec<u8> = from
        .iter()
        .zip(what)
        .rev()
        .map(|(a, b)| {
            let (first, under) = a.overflowing_sub(*b);
            let (second, under_again) = first.overflowing_sub(u8::from(borrow));
            borrow = under || under_again;
            second
        })
        .collect();
    out.reverse();
    out
}

/// Adds two numbers of the same width; the sum is a byte wider where it has to be.
pub(super) fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut out: Vec<u8> = one
        .iter()
        .zip(other)
        .rev()
        .map(|(a, b)| {
            let [high, low] = (u16::from(*a) + u16::from(*b) + carry).to_be_bytes();
            carry = u16::from(high);
            low
        })
        .collect();
    if carry != 0 {
        out.push(1);
    }
    out.reverse();
    out
}

/// Adds one.
pub(super) fn one_more(number: &[u8]) -> Vec<u8> {
    let mut one = vec![0; number.len()];
    if let Some(last) = one.last_mut() {
        *last = 1;
    }
    sum(number, &one)
}

#[cfg(test)]
mod tests {
    use super::{difference, one_more, sum};

    #[test]
    fn carries_and_borrows_go_on() {
        assert_eq!(sum(&[0, 0xff], &[0, 1]), [1, 0]);
        assert_eq!(sum(&[0xff, 0xff], &[0, 2]), [1, 0, 1]);
        assert_eq!(one_more(&[0x12, 0xff]), [0x13, 0]);
        assert_eq!(difference(&[1, 0], &[0, 1]), [0, 0xff]);
    }
}
