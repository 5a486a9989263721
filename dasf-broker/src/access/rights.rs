//! What a caller may do with a topic.

use std::fmt;

use crate::topic::TopicName;

/// A right for a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// To send requests to the topic, and to read the answers.
    Call,
    /// To read the requests of the topic, and to answer its callers.
    Serve,
    /// To see who reads the topic, and how much waits there.
    Watch,
    /// To change the broker.
    Admin,
}

impl Right {
    pub(super) const ALL: [Self; 4] = [Self::Call, Self::Serve, Self::Watch, Self::Admin];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Serve => "serve",
            Self::Watch => "watch",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rights that messages need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) call: bool,
    pub(super) serve: bool,
}

impl Pair {
    fn has_any(self) -> bool {
        self.call || self.serve
    }
}

/// What a caller may do with a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TopicRights {
    /// The rights for the topic.
    pub(super) own: Pair,
    /// The rights for the topic of the module, if the topic may be a response topic.
    pub(super) base: Option<Pair>,
    looks_random: bool,
}

impl TopicRights {
    pub(super) fn new(topic: &TopicName, own: Pair, base: Option<Pair>) -> Self {
        Self {
            own,
            base,
            looks_random: topic.looks_random(),
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.own.has_any() || self.base().has_any()
    }

    fn base(&self) -> Pair {
        self.base.unwrap_or_default()
    }

    /// Returns whether a caller who reads a topic that nobody owns wants answers.
    ///
    /// A pattern such as `*` gives rights for response topics and for the topics of modules. A random part
    /// has a digit or a capital letter, and the name of a module seldom.
    fn wants_answers(&self) -> bool {
        self.base().has_any() && (!self.own.serve || self.looks_random)
    }

    /// Returns whether a caller who sends to a topic that nobody owns answers somebody who is gone.
    fn answers_nobody(&self) -> bool {
        self.base().serve && (!self.own.call || self.looks_random)
    }
}

/// The meaning of a topic, which stays the same as long as the topic exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// Modules read requests there.
    Requests,
    /// One user reads answers there.
    Answers(Reader),
    /// One user who serves the topic of the module reads there what its callers send to this module alone,
    /// and answers.
    Inbox(Reader),
}

/// The user who owns a topic. `None` stands for those who have no token.
pub(crate) type Reader = Option<super::Name>;

/// What a caller lacks to use a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// A right for the topic.
    Own(Right),
    /// A right for the topic of the module.
    Base(Right),
    /// The topic belongs to somebody else.
    Ownership,
    /// Callers send no answers to the topic.
    Answer,
    /// Who only serves the topic sends only questions there.
    Question,
}

/// The kind of a message, as far as a caller with few rights is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message that only modules send to callers.
    Answer,
    /// A ping, or a question for the description of a module.
    Question,
    /// A note of a caller on its own topic.
    Note,
    /// A request, a part of one, or the answer to a ping.
    Other,
}

impl TopicRights {
    /// Decides whether a caller may read a topic. Returns the meaning that the topic has from then on.
    pub(super) fn check_reading(
        &self,
        reader: &Reader,
        tenure: Option<&Tenure>,
        looks_back: bool,
    ) -> Result<Tenure, Lack> {
        let base = self.base();
        match tenure {
            // A module that runs a job looks at what other modules have answered.
            Some(tenure @ Tenure::Answers(_)) if looks_back && base.serve => Ok(tenure.clone()),
            Some(Tenure::Answers(owner) | Tenure::Inbox(owner)) if owner != reader => {
                Err(Lack::Ownership)
            }
            Some(tenure @ (Tenure::Answers(_) | Tenure::Inbox(_))) => match base.has_any() {
                true => Ok(tenure.clone()),
                false => Err(Lack::Base(Right::Call)),
            },
            None if self.wants_answers() && base.serve => Ok(Tenure::Inbox(reader.clone())),
            None if self.wants_answers() => Ok(Tenure::Answers(reader.clone())),
            None | Some(Tenure::Requests) => match (self.own.serve, self.base) {
                (true, _) => Ok(Tenure::Requests),
                (false, Some(_)) if tenure.is_none() => Err(Lack::Base(Right::Call)),
                (false, _) => Err(Lack::Own(Right::Serve)),
            },
        }
    }

    /// Decides whether a caller may send to a topic. Returns whether the message is a request, after which
    /// the topic is no response topic.
    pub(super) fn check_sending(
        &self,
        sender: &Reader,
        tenure: Option<&Tenure>,
        kind: impl FnOnce() -> Kind,
    ) -> Result<bool, Lack> {
        let base = self.base();
        match tenure {
            Some(Tenure::Answers(owner)) => match base {
                Pair { serve: true, .. } => Ok(false),
                Pair { call: true, .. } if owner == sender && kind() == Kind::Note => Ok(false),
                _ => Err(Lack::Base(Right::Serve)),
            },
            Some(Tenure::Inbox(_)) => match base {
                Pair { serve: true, .. } => Ok(false),
                Pair { call: true, .. } => match kind() {
                    Kind::Answer => Err(Lack::Answer),
                    Kind::Question | Kind::Note | Kind::Other => Ok(false),
                },
                _ => Err(Lack::Base(Right::Call)),
            },
            None if self.answers_nobody() => Ok(false),
            None | Some(Tenure::Requests) => match self.own {
                Pair { call: true, .. } => Ok(true),
                Pair { serve: true, .. } => match kind() {
                    Kind::Question => Ok(true),
                    _ => Err(Lack::Question),
                },
                _ => Err(Lack::Own(Right::Call)),
            },
        }
    }

    /// Decides whether a caller may send any message to a topic.
    pub(super) fn check_connecting(
        &self,
        sender: &Reader,
        tenure: Option<&Tenure>,
    ) -> Result<(), Lack> {
        let of_kind = |kind| self.check_sending(sender, tenure, || kind).map(drop);
        of_kind(Kind::Other)
            .or_else(|lack| of_kind(Kind::Question).map_err(|_| lack))
            .or_else(|lack| of_kind(Kind::Note).map_err(|_| lack))
    }
}

/// The text of a tenure in the store.
#[cfg(feature = "store")]
mod text {
    use super::Tenure;

    const REQUESTS: &str = "requests";
    const ANSWERS: &str = "answers";
    const INBOX: &str = "inbox";

    impl Tenure {
        pub(crate) fn to_text(&self) -> String {
            let (kind, reader) = match self {
                Self::Requests => return REQUESTS.to_owned(),
                Self::Answers(reader) => (ANSWERS, reader),
                Self::Inbox(reader) => (INBOX, reader),
            };
            // No user has an empty name.
            let reader = reader.as_ref().map_or("", |name| name.as_str());
            format!("{kind}:{reader}")
        }

        /// Reads a text; `None` if it is none of a tenure.
        pub(crate) fn from_text(text: &str) -> Option<Self> {
            if text == REQUESTS {
                return Some(Self::Requests);
            }
            let (kind, reader) = text.split_once(':')?;
            let reader = match reader {
                "" => None,
                name => Some(name.to_owned().try_into().ok()?),
            };
            match kind {
                ANSWERS => Some(Self::Answers(reader)),
                INBOX => Some(Self::Inbox(reader)),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dasf_protocol::Topic;

    use super::*;

    const NOTHING: Pair = Pair {
        call: false,
        serve: false,
    };
    const CALL: Pair = Pair {
        call: true,
        serve: false,
    };
    const SERVE: Pair = Pair {
        call: false,
        serve: true,
    };
    const BOTH: Pair = Pair {
        call: true,
        serve: true,
    };

    fn reader(name: &str) -> Reader {
        (!name.is_empty()).then(|| name.to_owned().try_into().unwrap())
    }

    fn rights(topic: &str, own: Pair, base: Option<Pair>) -> TopicRights {
        let topic: TopicName = topic.parse::<Topic>().unwrap().into();
        TopicRights::new(&topic, own, base)
    }

    /// A topic with a random part.
    fn random(own: Pair, base: Pair) -> TopicRights {
        rights("river_a1B2c3D4", own, Some(base))
    }

    /// A topic that may be one of modules or one of answers.
    fn word(own: Pair, base: Pair) -> TopicRights {
        rights("soil_moisture", own, Some(base))
    }

    fn plain(own: Pair) -> TopicRights {
        rights("river", own, None)
    }

    #[test]
    fn the_first_reader_decides_the_meaning_of_a_topic() {
        let ada = reader("ada");
        let answers = Ok(Tenure::Answers(ada.clone()));
        let inbox = Ok(Tenure::Inbox(ada.clone()));
        let requests = Ok(Tenure::Requests);
        for (rights, expected) in [
            (plain(NOTHING), Err(Lack::Own(Right::Serve))),
            (plain(CALL), Err(Lack::Own(Right::Serve))),
            (plain(SERVE), requests.clone()),
            (random(NOTHING, NOTHING), Err(Lack::Base(Right::Call))),
            (random(NOTHING, CALL), answers.clone()),
            (random(NOTHING, SERVE), inbox.clone()),
            (random(NOTHING, BOTH), inbox.clone()),
            (random(BOTH, BOTH), inbox.clone()),
            (random(CALL, CALL), answers.clone()),
            (random(SERVE, NOTHING), requests.clone()),
            // A random part may be a word by chance.
            (word(NOTHING, CALL), answers),
            (word(NOTHING, SERVE), inbox),
            (word(BOTH, BOTH), requests.clone()),
            (word(SERVE, CALL), requests),
            (word(CALL, CALL), Ok(Tenure::Answers(ada.clone()))),
        ] {
            assert_eq!(
                rights.check_reading(&ada, None, false),
                expected,
                "{rights:?}"
            );
        }
    }

    #[test]
    fn only_its_owner_reads_a_topic() {
        for owner in ["ada", ""] {
            for tenure in [Tenure::Answers(reader(owner)), Tenure::Inbox(reader(owner))] {
                for rights in [random(BOTH, BOTH), random(NOTHING, CALL), word(BOTH, BOTH)] {
                    let read = |name| rights.check_reading(&reader(name), Some(&tenure), false);
                    assert_eq!(read(owner), Ok(tenure.clone()));
                    assert_eq!(read("eve"), Err(Lack::Ownership));
                }
                let lost =
                    random(BOTH, NOTHING).check_reading(&reader(owner), Some(&tenure), false);
                assert_eq!(lost, Err(Lack::Base(Right::Call)));
            }
        }
        let requests = Some(&Tenure::Requests);
        let read = |rights: TopicRights| rights.check_reading(&None, requests, false);
        assert_eq!(read(plain(SERVE)), Ok(Tenure::Requests));
        assert_eq!(read(random(SERVE, CALL)), Ok(Tenure::Requests));
        assert_eq!(read(random(CALL, BOTH)), Err(Lack::Own(Right::Serve)));
    }

    #[test]
    fn a_module_looks_back_at_the_answers_to_a_job() {
        let answers = Tenure::Answers(Some("ada".to_owned().try_into().unwrap()));
        let inbox = Tenure::Inbox(Some("ada".to_owned().try_into().unwrap()));
        let read = |base, tenure: &Tenure, looks_back| {
            random(NOTHING, base).check_reading(&None, Some(tenure), looks_back)
        };
        for base in [SERVE, BOTH] {
            assert_eq!(read(base, &answers, true), Ok(answers.clone()));
            assert_eq!(read(base, &answers, false), Err(Lack::Ownership));
            assert_eq!(read(base, &inbox, true), Err(Lack::Ownership));
        }
        assert_eq!(read(CALL, &answers, true), Err(Lack::Ownership));
    }

    #[test]
    fn only_modules_send_answers() {
        let answers = Tenure::Answers(None);
        let of_another = Tenure::Answers(Some("ada".to_owned().try_into().unwrap()));
        let inbox = Tenure::Inbox(None);
        let send = |rights: TopicRights, tenure: &Tenure, kind| {
            rights.check_sending(&None, Some(tenure), || kind)
        };
        for own in [NOTHING, CALL, SERVE, BOTH] {
            for kind in [Kind::Answer, Kind::Question, Kind::Note, Kind::Other] {
                for base in [SERVE, BOTH] {
                    assert_eq!(send(random(own, base), &answers, kind), Ok(false));
                    assert_eq!(send(random(own, base), &inbox, kind), Ok(false));
                }
                let lack = Err(Lack::Base(Right::Serve));
                let expected = match kind {
                    Kind::Note => Ok(false),
                    _ => lack,
                };
                assert_eq!(send(random(own, CALL), &answers, kind), expected);
                assert_eq!(send(random(own, CALL), &of_another, kind), lack);
                assert_eq!(send(random(own, NOTHING), &answers, kind), lack);
                let expected = match kind {
                    Kind::Answer => Err(Lack::Answer),
                    _ => Ok(false),
                };
                assert_eq!(send(random(own, CALL), &inbox, kind), expected);
                let lack = Err(Lack::Base(Right::Call));
                assert_eq!(send(random(own, NOTHING), &inbox, kind), lack);
            }
        }
    }

    #[test]
    fn requests_need_the_right_to_call() {
        for tenure in [None, Some(&Tenure::Requests)] {
            let send = |rights: TopicRights, kind| rights.check_sending(&None, tenure, || kind);
            for rights in [plain(CALL), plain(BOTH), word(BOTH, BOTH)] {
                assert_eq!(send(rights, Kind::Other), Ok(true));
                assert_eq!(rights.check_connecting(&None, tenure), Ok(()));
            }
            assert_eq!(send(plain(SERVE), Kind::Question), Ok(true));
            assert_eq!(send(plain(SERVE), Kind::Other), Err(Lack::Question));
            assert_eq!(plain(SERVE).check_connecting(&None, tenure), Ok(()));
            for rights in [plain(NOTHING), random(NOTHING, CALL)] {
                let lack = Err(Lack::Own(Right::Call));
                assert_eq!(send(rights, Kind::Other).map(drop), lack);
                assert_eq!(rights.check_connecting(&None, tenure), lack);
            }
        }
        // Somebody may have gone.
        for rights in [random(NOTHING, SERVE), random(BOTH, BOTH)] {
            assert_eq!(rights.check_sending(&None, None, || Kind::Other), Ok(false));
            assert_eq!(rights.check_connecting(&None, None), Ok(()));
        }
        let served =
            random(NOTHING, SERVE).check_sending(&None, Some(&Tenure::Requests), || Kind::Other);
        assert_eq!(served, Err(Lack::Own(Right::Call)));
    }

    #[cfg(feature = "store")]
    #[test]
    fn the_store_keeps_a_tenure_as_text() {
        for tenure in [
            Tenure::Requests,
            Tenure::Answers(reader("ada")),
            Tenure::Answers(None),
            Tenure::Inbox(reader("a.b@c")),
            Tenure::Inbox(None),
        ] {
            assert_eq!(Tenure::from_text(&tenure.to_text()), Some(tenure));
        }
        for wrong in ["", "answers", "answers:a b", "others:ada"] {
            assert_eq!(Tenure::from_text(wrong), None, "{wrong}");
        }
    }
}
