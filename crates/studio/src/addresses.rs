//! The addresses of the page, for this machine and for others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The address for this machine of a server that listens at `address`.
pub(crate) fn here(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// The addresses for other machines of a server that listens at `address`, most likely first. Empty if this machine is
/// in no network.
pub(crate) fn elsewhere(address: SocketAddr) -> Vec<SocketAddr> {
    let listening = address.ip();
    if !listening.is_unspecified() {
        return if listening.is_loopback() { Vec::new() } else { vec![address] };
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut found: Vec<IpAddr> =
        interfaces.iter().map(if_addrs::Interface::ip).filter(|ip| is_reachable(*ip)).collect();
    // `::` accepts IPv4 connections too on most systems; `0.0.0.0` accepts only these.
    found.retain(|ip| ip.is_ipv4() || listening.is_ipv6());
    let route = route();
    found.sort_by_key(|ip| (Some(*ip) != route, ip.is_ipv6(), *ip));
    found.dedup();
    found.into_iter().map(|ip| (ip, address.port()).into()).collect()
}

/// Whether other machines of the network can open an address.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        // A link-local address needs the name of an interface, which browsers do not accept.
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified()),
    }
}

/// The address from which this machine reaches other networks.
fn route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the system only chooses a route to an address reserved for examples (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A text as a QR code of block characters, dark on light; `None` if it is too long for one.
pub(crate) fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    // Terminals are mostly dark, so the blocks are the light modules.
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_opened() {
        for (listening, opened) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.3:1", "10.0.0.3:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(here(listening.parse().unwrap()).to_string(), opened);
        }
        assert_eq!(elsewhere("10.0.0.3:1".parse().unwrap()), ["10.0.0.3:1".parse().unwrap()]);
        assert!(elsewhere("127.0.0.1:1".parse().unwrap()).is_empty());
        for address in elsewhere("0.0.0.0:7".parse().unwrap()) {
            assert!(address.is_ipv4() && address.port() == 7 && is_reachable(address.ip()), "{address}");
        }
        assert!(!is_reachable("fe80::1".parse().unwrap()) && is_reachable("192.168.1.4".parse().unwrap()));
    }

    #[test]
    fn a_qr_code_is_a_square_of_blocks() {
        let code = qr_code("http://192.168.1.4:4700/?token=0123456789abcdef0123456789abcdef").unwrap();
        let widths: Vec<usize> = code.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]) && widths[0].div_ceil(2) == widths.len(), "{code}");
    }
}
