//! What people do next: mostly what means something, now and then what does not.

use std::net::SocketAddr;

use sim::{RELAY_PORT, RELAY_V4, RELAY_V6, Wish};

use super::story::{OUTSIDE, Story};

impl Story {
    /// One thing of many.
    pub(super) fn do_something(&mut self) {
        let (seat, holder) = (self.a_seat(), self.a_holder());
        match self.random.below(100) {
            0..10 => self.wish(),
            10..14 => {
                let (lifetime_s, only) = (1 + self.lifetime(), self.only());
                self.refresh(holder, lifetime_s, only);
            }
            14..16 => {
                let only = self.only();
                self.refresh(holder, 0, only);
            }
            16..30 => self.permit_some(holder),
            30..42 => self.bind_one(holder),
            42..59 => self.send_somewhere(holder),
            59..74 => self.send_on_some_channel(holder),
            74..79 => {
                let held = self.model.relayed(holder);
                let to = if self.random.chance(800) { &held } else { &self.addresses };
                let Some(to) = self.random.pick(to).copied() else { return };
                let from = self.an_outsider();
                self.throw(from, to);
            }
            79..87 => {
                // Moments, and up to the edges of what may run out.
                let choices = [0, 1, 1, 7, 7, 29, 30, 30, 31, 59, 60, 60, 61, 239, 299, 300, 301, 599, 600];
                let seconds = *self.random.pick(&choices).expect("not empty");
                self.pass(seconds);
            }
            87..96 => self.travel(),
            96..98 => {
                let who = self.somebody();
                self.replace(seat, who);
            }
            98 => self.change_rules(),
            _ if self.random.chance(400) => {
                let which = self.random.below(2) as usize;
                let session = self.sessions[which];
                self.sessions[which] = self.sessions[0].max(self.sessions[1]) + 1;
                self.end_session(session);
            }
            _ => {}
        }
    }

    /// The operator closes one address, mostly one that is in use, or opens all again.
    fn change_rules(&mut self) {
        let own = [RELAY_V4, RELAY_V6];
        let outside = self.an_outsider().ip();
        let one = *self.random.pick(&[own[0], own[1], outside, outside]).expect("not empty");
        let denied = if self.random.chance(600) { vec![one] } else { Vec::new() };
        self.deny(&denied);
    }

    fn wish(&mut self) {
        let (lifetime_s, wants_ticket) = (self.lifetime(), self.random.chance(600));
        let any = Some(self.a_seat()).filter(|_| self.random.chance(200));
        let Some(seat) = any.or_else(|| self.a_free_seat()) else { return };
        let mut wish = Wish::One(1);
        if !self.is_welcome(seat) && self.random.chance(700) {
            let who = self.somebody();
            self.replace(seat, who);
        }
        match self.random.below(10) {
            0..4 => {}
            4 => wish = Wish::One(2),
            5..7 => wish = Wish::Both,
            7 => wish = Wish::Even,
            8 => wish = Wish::Pair,
            _ => {}
        }
        let chance = if self.model.tokens().is_empty() { 30 } else { 600 };
        if !self.tokens.is_empty() && self.random.chance(chance) {
            let (token, owner) = self.a_token();
            wish = Wish::Token(token);
            if let Some(owner) = owner.filter(|_| self.random.chance(850)) {
                self.replace(seat, owner);
            }
        }
        self.allocate(seat, &wish, lifetime_s, wants_ticket);
    }

    /// Somebody shows a ticket somewhere: mostly its owner the newest one, and where nobody has anything.
    fn travel(&mut self) {
        let live = self.model.tickets();
        let Some((mut ticket, owner, here)) = self.random.pick(&live).cloned() else { return };
        let any = self.a_seat();
        let seat = self.a_free_seat().unwrap_or(any);
        if self.random.chance(850) {
            self.replace(seat, owner);
        }
        match self.random.below(20) {
            0..3 => ticket.clone_from(self.random.pick(&self.tickets).expect("there is one")),
            3 => ticket[0] ^= 1,
            _ => {}
        }
        let lifetime_s = if self.random.chance(50) { 0 } else { 1 + self.lifetime() };
        let only = self.only();
        // What is still under way from there may be slower than what comes from here.
        if self.is_entitled(here) && self.random.chance(400) {
            self.bind_one(here);
        }
        self.follow(seat, &ticket, lifetime_s, only);
        // Who has just arrived has something to say.
        match self.random.below(6) {
            0..2 => self.permit_some(seat),
            2 => self.send_somewhere(seat),
            3 => self.send_on_some_channel(seat),
            _ => {}
        }
    }

    fn send_somewhere(&mut self, seat: usize) {
        let permitted = self.model.permitted(seat, self.now());
        let peer = self.random.pick(&permitted).copied().filter(|_| self.random.chance(700));
        let Some(peer) = peer.or_else(|| self.an_address(seat)) else { return };
        self.send(seat, peer);
    }

    fn send_on_some_channel(&mut self, seat: usize) {
        let bound = self.model.channels(seat);
        let any = 0x4000 + self.random.below(12) as u16;
        match self.random.pick(&bound).copied() {
            Some(number) if self.random.chance(900) => self.send_channel(seat, number),
            _ if self.random.chance(200) => self.send_channel(seat, any),
            _ => self.bind_one(seat),
        }
    }

    fn permit_some(&mut self, seat: usize) {
        let Some(peer) = self.an_address(seat) else { return };
        let other = self.an_address(seat).filter(|_| self.random.chance(250));
        let peers: Vec<SocketAddr> = [Some(peer), other].into_iter().flatten().collect();
        self.permit(seat, &peers);
        self.meet(seat, peer);
    }

    fn bind_one(&mut self, seat: usize) {
        let Some(peer) = self.an_address(seat) else { return };
        let number = 0x4000 + self.random.below(12) as u16;
        self.bind(seat, number, peer);
        self.meet(seat, peer);
    }

    /// Whoever was permitted often permits in turn.
    fn meet(&mut self, seat: usize, peer: SocketAddr) {
        let mine = self.model.relayed(seat).into_iter().find(|mine| mine.is_ipv4() == peer.is_ipv4());
        let (Some(mine), Some(theirs)) = (mine, self.model.seat_of(peer)) else { return };
        if self.random.chance(500) {
            self.permit(theirs, &[mine]);
        }
    }

    fn a_seat(&mut self) -> usize {
        self.random.below(self.seats.len() as u64) as usize
    }

    /// A seat, mostly one whose occupant has something there: who has nothing can be refused, and seldom
    /// needs to be.
    fn a_holder(&mut self) -> usize {
        let entitled: Vec<usize> = (0..self.seats.len()).filter(|&seat| self.is_entitled(seat)).collect();
        let any = self.a_seat();
        self.random.pick(&entitled).copied().filter(|_| self.random.chance(930)).unwrap_or(any)
    }

    /// A peer address, mostly one that the seat may come to reach.
    fn an_address(&mut self, seat: usize) -> Option<SocketAddr> {
        match self.random.below(40) {
            0..2 => self.random.pick(&self.addresses).copied(),
            2..4 => self.random.pick(&self.model.relayed(seat)).copied(),
            4 => Some(SocketAddr::new(RELAY_V4, RELAY_PORT)),
            5..7 => Some(self.an_outsider()),
            7..11 => {
                let seat = self.a_seat();
                self.random.pick(&self.model.relayed(seat)).copied()
            }
            _ => {
                let outside = OUTSIDE.iter().map(|peer| peer.parse().expect("an address of this file"));
                let reachable = self.model.reachable(seat, outside);
                self.random.pick(&reachable).copied()
            }
        }
    }

    fn an_outsider(&mut self) -> SocketAddr {
        let peer = self.random.pick(&OUTSIDE).expect("not empty");
        peer.parse().expect("an address of this file")
    }

    /// A token, mostly one that is good, and then whose.
    fn a_token(&mut self) -> (Vec<u8>, Option<sim::Identity>) {
        let live = self.model.tokens();
        match self.random.pick(&live) {
            Some((token, owner)) if self.random.chance(900) => (token.clone(), Some(*owner)),
            _ => (self.random.pick(&self.tokens).expect("there is one").clone(), None),
        }
    }

    fn a_free_seat(&mut self) -> Option<usize> {
        let free: Vec<usize> =
            (0..self.seats.len()).filter(|&seat| self.model.relayed(seat).is_empty()).collect();
        self.random.pick(&free).copied()
    }

    /// One family, seldom.
    fn only(&mut self) -> Option<u8> {
        self.random.pick(&[None, None, None, None, Some(1), Some(2)]).copied().flatten()
    }

    const fn lifetime(&mut self) -> u32 {
        self.random.below(4000) as u32
    }
}
