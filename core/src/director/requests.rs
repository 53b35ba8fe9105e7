//! HTTP requests and WebSocket messages on their way in: each finds the one deed it asks for.

use serde_json::json;

use crate::director::load;
use crate::director::signal::message::{self, ClientMessage, Offer};
use crate::director::signal::reply;
use crate::director::signal::route::{self, Protocol, Route};
use crate::director::signal::token::Act;
use crate::director::whip::Purpose;
use crate::director::{Desk, Director};
use crate::http::{Problem, Reply, Request};
use crate::hub::words::Command;
use crate::machine::{ConnectionId, RequestId};
use crate::media::track::StreamName;
use crate::ticket::Via;

impl Director {
    /// Somebody asks over HTTP.
    pub(crate) fn asked(&mut self, id: RequestId, request: &Request, desk: &mut Desk<'_>) {
        let route = route::route(request);
        let done = route.and_then(|route| self.do_route(id, route, request, desk));
        if let Err(problem) = done {
            reply::refused(&Via::http(id, None), &problem, desk.out);
        }
    }

    fn do_route(
        &mut self,
        id: RequestId,
        route: Route,
        request: &Request,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let bearer = bearer(request);
        match route {
            Route::Options => reply::http(id, reply::options(), desk.out),
            Route::Healthy => reply::http(id, Reply::new(200, "text/plain", "alive\n"), desk.out),
            Route::Ready => reply::http(id, self.readiness(), desk.out),
            Route::ServerList => {
                let host = request.header("host");
                reply::http(id, self.server_list(host)?, desk.out);
            }
            Route::Load => {
                self.authorize(desk.now, bearer, None, &[Act::Relay, Act::Admin])?;
                reply::http(id, Reply::json(200, &self.load_report()), desk.out);
            }
            Route::Knock(doors) => {
                self.authorize(desk.now, bearer, None, &[Act::Relay, Act::Admin])?;
                self.knock(id, request, doors, desk)?;
            }
            Route::Offer { protocol, stream, offer } => {
                let via = Via::http(id, request.header("host"));
                match protocol {
                    Protocol::Whip => {
                        let from = self.provenance(request, desk.now)?;
                        self.publish(via, bearer, stream, offer, from, desk)?;
                    }
                    Protocol::Whep => self.play(via, bearer, stream, offer, desk)?,
                }
            }
            Route::Patch { resource, precondition, fragment } => {
                let via = Via::http(id, request.header("host"));
                self.patch(via, &resource, &precondition, fragment, desk)?;
            }
            Route::Delete { resource } => {
                self.close(&resource, "the client deleted it", desk)?;
                reply::http(id, Reply::empty(200), desk.out);
            }
        }
        Ok(())
    }

    fn readiness(&self) -> Reply {
        match (self.stopping, self.config.addresses.udp.is_empty()) {
            (true, _) => Reply::new(503, "text/plain", "stopping\n"),
            (_, true) => Reply::new(503, "text/plain", "no UDP socket\n"),
            _ => Reply::new(200, "text/plain", "ready\n"),
        }
    }

    /// A message came over a WebSocket.
    pub(crate) fn said(&mut self, connection: ConnectionId, text: &str, desk: &mut Desk<'_>) {
        let (id, done) = match ClientMessage::parse(text) {
            Ok(message) => {
                let id = message.id().to_owned();
                (id, self.do_message(connection, message, desk))
            }
            Err((id, problem)) => (id, Err(problem)),
        };
        if let Err(problem) = done {
            let via = Via::WebSocket { connection, id, stream: String::new() };
            if let Some(message) = reply::refused(&via, &problem, desk.out) {
                self.connections.tell(connection, &message, desk.out);
            }
        }
    }

    fn do_message(
        &mut self,
        connection: ConnectionId,
        message: ClientMessage,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        match message {
            ClientMessage::Publish(offer) => {
                self.offered(connection, offer, Purpose::Publish, desk)
            }
            ClientMessage::Play(offer) => self.offered(connection, offer, Purpose::Play, desk),
            ClientMessage::Candidates { session, fragment } => {
                self.adopt(connection, &session)?;
                // Checked, and no more: a lite agent learns where its peer is from checks.
                route::fragment(&fragment).map(drop)
            }
            ClientMessage::Restart { id, session, fragment } => {
                self.adopt(connection, &session)?;
                let via = Via::WebSocket { connection, id, stream: String::new() };
                self.restart(via, &session, route::fragment(&fragment)?, desk)
            }
            ClientMessage::Stop { id, session } => {
                self.adopt(connection, &session)?;
                self.dismiss(&session);
                self.close(&session, "the client stopped it", desk)?;
                self.connections.tell(connection, &message::stopped(&id, &session), desk.out);
                Ok(())
            }
            ClientMessage::Renew { id, session } => {
                self.adopt(connection, &session)?;
                let via = Via::WebSocket { connection, id: id.clone(), stream: String::new() };
                let ice_server = self.ice_server(desk.now, self.find(&session)?, &via);
                let message = message::ice_servers(&id, &session);
                let message = message::with_ice_servers(message, ice_server.as_ref());
                self.connections.tell(connection, &message, desk.out);
                Ok(())
            }
            ClientMessage::Layer { session, height, layer } => {
                self.adopt(connection, &session)?;
                let session = self.find(&session)?;
                desk.commands.push(Command::Prefer { session, height, layer });
                Ok(())
            }
            ClientMessage::Forget { stream } => {
                if let Some(stream) = StreamName::parse(&stream) {
                    self.connections.forget(connection, &stream);
                }
                Ok(())
            }
            ClientMessage::Ping { id, session } => {
                session.map_or(Ok(()), |session| self.find(&session).map(drop))?;
                self.connections.tell(connection, &message::pong(&id), desk.out);
                Ok(())
            }
        }
    }

    fn offered(
        &mut self,
        connection: ConnectionId,
        offer: Offer,
        purpose: Purpose,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let Offer { id, stream, token, sdp } = offer;
        let name = StreamName::parse(&stream).ok_or_else(route::bad_name)?;
        let offer = route::description(&sdp)?;
        let via = Via::WebSocket { connection, id: id.clone(), stream };
        match purpose {
            Purpose::Publish => self.publish(via, token.as_deref(), name, offer, None, desk),
            Purpose::Play if self.streams.get(&name).is_some_and(|stream| stream.live) => {
                self.play(via, token.as_deref(), name, offer, desk)
            }
            Purpose::Play => {
                self.authorize(desk.now, token.as_deref(), Some(&name), &[Act::Play])?;
                if !self.connections.wait(connection, &name) {
                    let detail = "this connection waits for too many streams; open another one";
                    return Err(Problem::new(503, "no room", detail));
                }
                let message = message::waiting(&id, name.as_str());
                self.connections.tell(connection, &message, desk.out);
                Ok(())
            }
        }
    }

    /// A client that names a session is the one to be told about it: after a break, its new
    /// connection takes the place of the old one.
    fn adopt(&mut self, connection: ConnectionId, resource: &str) -> Result<(), Problem> {
        let session = self.find(resource)?;
        let Some(record) = self.registry.get_mut(session) else { return Ok(()) };
        if record.connection == Some(connection) {
            return Ok(());
        }
        if !self.connections.hold(connection, session) {
            let detail = "this connection has too many sessions; open another one";
            return Err(Problem::new(503, "no room", detail));
        }
        if let Some(old) = record.connection.replace(connection) {
            self.connections.release(old, session);
        }
        Ok(())
    }

    /// The client of a session wants to hear no more of it.
    fn dismiss(&mut self, resource: &str) {
        let Some(session) = self.registry.find(resource) else { return };
        let Some(record) = self.registry.get_mut(session) else { return };
        if let Some(connection) = record.connection.take() {
            self.connections.release(connection, session);
        }
    }

    fn close(
        &mut self,
        resource: &str,
        why: &'static str,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let session = self.find(resource)?;
        desk.commands.push(Command::Close { session, why });
        Ok(())
    }

    /// Whom a viewer should ask, in the form that players of this field know.
    fn server_list(&mut self, host: Option<&str>) -> Result<Reply, Problem> {
        let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        let (name, url, ws, wss) = match self.round_robin.pick(&self.fleet) {
            Some(edge) => {
                let member = &self.fleet.members()[edge];
                let url = member.public_url.clone();
                (member.name.clone(), url, member.load.ws, member.load.wss)
            }
            None if self.config.edges.is_empty() => {
                let (ws, wss) = (self.config.http_port, self.config.https_port);
                (self.config.name.clone(), self.own_url(host), ws, wss)
            }
            None => {
                let detail = "no edge answers at the moment; try again in a second";
                return Err(Problem::new(503, "no edge alive", detail).retry_after(1));
            }
        };
        let (ws, wss) = load::ports(&url, ws, wss);
        Ok(Reply::json(
            200,
            &json!({
                "server": load::host(&url),
                "flash": "",
                "ws": port(ws),
                "wss": port(wss),
                "name": name,
                "url": url,
            }),
        )
        .with("cache-control", "no-store"))
    }

    /// What viewers are told of this node itself: the configured host, or the one they asked.
    fn own_url(&self, asked: Option<&str>) -> String {
        let host = self.own_host(asked);
        match (self.config.https_port, self.config.http_port) {
            (Some(port), _) => format!("https://{host}:{port}"),
            (None, Some(port)) => format!("http://{host}:{port}"),
            (None, None) => format!("http://{host}"),
        }
    }
}

impl Director {
    /// The host that clients know this node by: the configured one, or the one they asked.
    pub(super) fn own_host(&self, asked: Option<&str>) -> String {
        let asked = asked.map(|asked| load::host(&format!("http://{asked}")));
        let host = self.config.public_host.clone().or(asked.filter(|host| is_host(host)));
        host.unwrap_or_else(|| "localhost".to_owned())
    }
}

/// Whether a client's word can stand in a URL as a host.
fn is_host(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.header("authorization")?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
