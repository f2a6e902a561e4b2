//! The date of a response, in the format of RFC 9110, section 5.6.7.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

/// Bytes of a date.
const LEN: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

thread_local! {
    /// The last second that was spelled out on this thread.
    static LAST: Cell<(u64, [u8; LEN])> = const { Cell::new((u64::MAX, [0; LEN])) };
}

/// Gives the present date to `write`.
pub(super) fn with_now<T>(write: impl FnOnce(&str) -> T) -> T {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut second, mut text) = LAST.get();
    if second != since.as_secs() {
        second = since.as_secs();
        text = spell(second);
        LAST.set((second, text));
    }
    write(str::from_utf8(&text).unwrap_or_default())
}

/// The date of that second since 1970.
fn spell(second: u64) -> [u8; LEN] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (days, clock) = (second / 86_400, second % 86_400);
    // Years that begin in March, so that a leap day is a year's last; eras of 400 years are all alike.
    let from_march = days + 719_468;
    let (era, day) = (from_march / 146_097, from_march % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year + u64::from(month >= 10);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let (name, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize]);
    let text = format!("{name}, {date:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT");
    text.as_bytes().try_into().unwrap_or([b' '; LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_spelled_as_the_standard_says() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(str::from_utf8(&spell(second)), Ok(date));
        }
    }
}
