//! From groups to grants: what an identity may have a token for.
//!
//! Each rule gives scopes for functions. A token says scopes and functions apart, and allows every scope for every function:
//! so one token gets, of the scopes of several rules, only what holds for every function that it names. Whoever wants more
//! for one function asks for a token for that function.

use airlock_model::{ControlScope, EnvironmentName, Failure, FunctionName, LimitCaps, Principal, Reason, Scope};

use crate::{
    Claims, Confirmation, Functions, Identity, IdentityRefusal, Link, Minted, TokenIssuer, TokenRefusal, Validity,
};

/// Who gets what: one entry of the operator's configuration.
#[derive(Debug, Clone)]
pub struct AccessRule {
    /// Where it is written, for errors and the audit trail.
    pub place: String,
    /// The `iss` of the identity provider whose word it takes; any when missing.
    pub provider: Option<String>,
    /// Whom it is about.
    pub member: Member,
    /// Where.
    pub environments: Vec<EnvironmentName>,
    /// For which functions.
    pub functions: Functions,
    /// What.
    pub scopes: Vec<Scope>,
    /// Limits of tokens that rest on it.
    pub limits: LimitCaps,
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// Everybody in a group.
    Group(String),
    /// One subject.
    Subject(String),
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group {name}"),
            Self::Subject(name) => write!(f, "subject {name}"),
        }
    }
}

/// The rules that hold for an identity in an environment.
#[derive(Debug)]
pub struct Rights<'a>(Vec<&'a AccessRule>);

/// What a token may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Its `functions`.
    pub functions: Functions,
    /// Its `scope`.
    pub scopes: Vec<Scope>,
    /// Its `limits`.
    pub limits: LimitCaps,
}

/// What is asked for in exchange.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The functions; everything there are rights for when missing.
    pub functions: Option<Functions>,
    /// The scopes; all there are rights for when missing.
    pub scopes: Option<Vec<Scope>>,
    /// How long, in seconds; as long as may be when missing.
    pub lifetime_s: Option<u64>,
}

/// What a token stands on that is made from one of an identity provider.
#[derive(Debug, Clone)]
pub struct Grounds<'a> {
    /// Who it will be.
    pub principal: Principal,
    /// Where.
    pub environment: EnvironmentName,
    /// Whose word it rests on: the subject's, and the actor's where there is one.
    pub identities: Vec<&'a Identity>,
    /// Who alone will be able to use it, where the request said.
    pub holder: Option<Confirmation>,
    /// The longest lifetimes: of any token, and of one that allows writes, in seconds.
    pub lifetimes_max_s: (u64, u64),
}

impl<'a> Rights<'a> {
    /// The rules for an identity; `None` when there is none.
    #[must_use]
    pub fn of(identity: &Identity, rules: &'a [AccessRule], environment: &EnvironmentName) -> Option<Self> {
        let holds = |rule: &&AccessRule| {
            let is_member = match &rule.member {
                Member::Group(group) => identity.groups().contains(group),
                Member::Subject(subject) => identity.subject() == subject,
            };
            is_member
                && rule.environments.contains(environment)
                && rule.provider.as_ref().is_none_or(|provider| provider == identity.issuer())
        };
        let rules: Vec<_> = rules.iter().filter(holds).collect();
        (!rules.is_empty()).then_some(Self(rules))
    }

    /// Where the rules are written.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| rule.place.as_str())
    }

    /// Whom the rules are about, each once.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        let mut members: Vec<_> = self.0.iter().map(|rule| rule.member.to_string()).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// What a token for these functions may say; for all there are rights for when missing.
    ///
    /// # Errors
    /// [`Reason::NotGranted`] for a function that no rule names.
    pub fn select(&self, asked: Option<&Functions>) -> Result<Selection, Failure> {
        let functions = asked.cloned().unwrap_or_else(|| self.functions());
        let resting = self.resting_on(&functions)?;
        let every: Vec<&Scope> = self.0.iter().flat_map(|rule| &rule.scopes).collect();
        let holds = |scope: &Scope| {
            is_apart_from_functions(scope)
                || resting.iter().all(|rules| rules.iter().flat_map(|rule| &rule.scopes).any(|one| one.covers(scope)))
        };
        let scopes = widest(every.into_iter().filter(|scope| holds(scope)));
        let used = |rule: &&&AccessRule| resting.iter().flatten().any(|one| std::ptr::eq(*one, **rule));
        let limits = self.0.iter().filter(used).fold(LimitCaps::default(), |limits, rule| limits.meet(&rule.limits));
        Ok(Selection { functions, scopes, limits })
    }

    /// The rules that each of the functions rests on.
    fn resting_on(&self, functions: &Functions) -> Result<Vec<Vec<&'a AccessRule>>, Failure> {
        let on = |covers: &dyn Fn(&Functions) -> bool, name: &str| {
            let rules: Vec<_> = self.0.iter().copied().filter(|rule| covers(&rule.functions)).collect();
            if rules.is_empty() { Err(no_right_to(&format!("function `{name}`"))) } else { Ok(rules) }
        };
        match functions {
            Functions::All => Ok(vec![on(&|functions| *functions == Functions::All, "*")?]),
            Functions::Named(names) => {
                names.iter().map(|name| on(&|functions| functions.cover(name), name.as_str())).collect()
            }
        }
    }

    fn functions(&self) -> Functions {
        let mut named: Vec<FunctionName> = Vec::new();
        for rule in &self.0 {
            match &rule.functions {
                Functions::All => return Functions::All,
                Functions::Named(names) => named.extend(names.iter().cloned()),
            }
        }
        named.sort_unstable();
        named.dedup();
        Functions::Named(named)
    }
}

impl Selection {
    /// What both allow: for somebody who acts for somebody else.
    ///
    /// # Errors
    /// [`Reason::NotGranted`] when the functions are not the same: ask for those that both have.
    pub fn meet(self, other: &Self) -> Result<Self, Failure> {
        if self.functions != other.functions {
            let message = "the subject and the actor have rights to different functions";
            return Err(Failure::new(Reason::NotGranted, message, "name the functions that both may call"));
        }
        let of_mine = self.scopes.iter().filter(|scope| other.scopes.iter().any(|one| one.covers(scope)));
        let of_others = other.scopes.iter().filter(|scope| self.scopes.iter().any(|one| one.covers(scope)));
        let scopes = widest(of_mine.chain(of_others));
        Ok(Self { scopes, limits: self.limits.meet(&other.limits), functions: self.functions })
    }

    /// The same with these scopes only.
    ///
    /// # Errors
    /// [`Reason::NotGranted`] for a scope that it does not have.
    pub fn with_scopes(self, asked: Option<Vec<Scope>>) -> Result<Self, Failure> {
        let Some(asked) = asked else { return Ok(self) };
        match asked.iter().find(|scope| !self.scopes.iter().any(|one| one.covers(scope))) {
            None => Ok(Self { scopes: asked, ..self }),
            Some(scope) => Err(no_right_to(&format!("scope `{scope}` for these functions"))),
        }
    }
}

impl TokenIssuer {
    /// Signs a token in exchange for one of an identity provider. It ends no later than that one.
    ///
    /// # Errors
    /// [`Reason::NotGranted`] when the rights do not fit into a token, [`Reason::TokenInvalid`] for a token that ends now.
    pub fn exchange(
        &self,
        grounds: Grounds<'_>,
        selection: Selection,
        lifetime_s: Option<u64>,
        now_unix_s: u64,
    ) -> Result<Minted, Failure> {
        let Selection { functions, scopes, limits } = selection;
        let Grounds { principal, environment, identities, holder, lifetimes_max_s: (any, writing) } = grounds;
        let writes = scopes.iter().any(|scope| matches!(scope, Scope::Resource(grant) if grant.operation.writes()));
        let ends = identities.iter().map(|identity| identity.expires_at_unix_s()).min().unwrap_or(0);
        let left = ends.saturating_sub(now_unix_s);
        if left == 0 {
            // Good for the clocks' sake only: nothing that ends with it could be of use.
            return Err(IdentityRefusal::from(TokenRefusal::Expired).into_failure());
        }
        let lifetime_s = lifetime_s.unwrap_or(u64::MAX).min(if writes { writing } else { any }).min(left);
        let origin = |identity: &&Identity| Link {
            issuer: identity.issuer().to_owned(),
            token_id: identity.token_id().to_owned(),
            key: identity.signer(),
            calls_max: None,
        };
        let origins = identities.iter().map(origin).collect();
        let validity = Validity { issued_at_unix_s: now_unix_s, lifetime_s };
        let claims = Claims::new(&self.iss, principal, &self.instance, environment, validity)
            .limits(limits)
            .bound_to(holder)
            .derived_from(Vec::new(), origins);
        self.mint(claims, functions, scopes)
    }
}

impl Functions {
    /// Whether this name is among them.
    #[must_use]
    pub fn cover(&self, function: &FunctionName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(function),
        }
    }
}

/// Rights that are about no function, so that it does not matter for which functions the rest of the token is.
const fn is_apart_from_functions(scope: &Scope) -> bool {
    match scope {
        Scope::Control(right) => matches!(
            right,
            ControlScope::AuditRead
                | ControlScope::AuditValues
                | ControlScope::AuditErase
                | ControlScope::OperatorRead
                | ControlScope::OperatorWrite
                | ControlScope::ResourceRead
                | ControlScope::TokenRevoke
        ),
        Scope::Resource(_) => false,
    }
}

/// Each once, and none that another covers.
fn widest<'s>(scopes: impl Iterator<Item = &'s Scope>) -> Vec<Scope> {
    let mut kept: Vec<Scope> = Vec::new();
    for scope in scopes {
        if !kept.iter().any(|one| one.covers(scope)) {
            kept.retain(|one| !scope.covers(one));
            kept.push(scope.clone());
        }
    }
    kept
}

fn no_right_to(what: &str) -> Failure {
    let message = format!("no [[identity.access]] gives you {what} here");
    Failure::new(Reason::NotGranted, message, "ask for less, or ask the operator to be given it")
}

#[cfg(test)]
mod tests;
