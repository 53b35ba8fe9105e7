//! Pages and metrics.

use crate::house::with_house;

#[test]
fn pages_come_with_type_and_tag_and_are_not_sent_twice() {
    with_house(8, None, async |house| {
        let first = house.get("/", "").await;
        assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
        assert!(first.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"), "{first}");
        assert!(first.contains("\r\ncache-control: no-cache\r\n"), "{first}");
        assert!(first.contains("\r\nx-content-type-options: nosniff\r\n"), "{first}");
        assert!(first.ends_with("\r\n\r\n<p>index</p>"), "{first}");
        let etag = first.split("etag: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let field = format!("if-none-match: \"other\", {etag}\r\n");
        let again = house.get("/", &field).await;
        assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
        let other = house.get("/player", &field).await;
        assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    });
}

#[test]
fn the_player_can_be_embedded_and_the_others_cannot() {
    with_house(8, None, async |house| {
        let index = house.get("/", "").await;
        assert!(index.contains("frame-ancestors 'self'"), "{index}");
        assert!(index.contains("permissions-policy: camera=(self)"), "{index}");
        let player = house.get("/player?stream=a", "").await;
        assert!(player.ends_with("<p>player</p>"), "{player}");
        assert!(player.contains("content-security-policy: default-src 'self'"), "{player}");
        assert!(player.contains("permissions-policy: camera=()"), "{player}");
        for bar in ["frame-ancestors", "x-frame-options"] {
            assert!(!player.contains(bar), "{player}");
        }
    });
}

#[test]
fn modules_can_be_imported_from_anywhere() {
    with_house(8, None, async |house| {
        let module = house.get("/sdk/farcast.js", "").await;
        assert!(module.contains("content-type: text/javascript; charset=utf-8"), "{module}");
        assert!(module.contains("access-control-allow-origin: *"), "{module}");
        assert!(!house.get("/", "").await.contains("access-control-allow-origin"));
    });
}

#[test]
fn head_says_what_get_would_without_the_body() {
    with_house(8, None, async |house| {
        let head = house.ask("HEAD", "/player", "").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-length: 13\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    });
}

#[test]
fn what_is_not_there_is_a_problem() {
    with_house(8, None, async |house| {
        let absent = house.get("/nothing", "").await;
        assert!(absent.starts_with("HTTP/1.1 404 "), "{absent}");
        assert!(absent.contains("application/problem+json"), "{absent}");
        let posted = house.ask("POST", "/player", "content-length: 0\r\n").await;
        assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
        assert!(posted.contains("allow: GET, HEAD\r\n"), "{posted}");
    });
}

#[test]
fn metrics_are_written_when_asked() {
    with_house(8, None, async |house| {
        let metrics = house.get("/metrics", "").await;
        assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
        assert!(metrics.ends_with("\r\n\r\nfarcast_sessions 3\n"), "{metrics}");
    });
}
