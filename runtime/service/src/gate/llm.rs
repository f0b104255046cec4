//! Requests to language models: whether the model may be used, what it can cost, and what of it goes on record.

use airlock_model::{Access, HostError, LlmCall, LlmVerb, Message, Prompt, Reason, Spending, Spent};
use airlock_resources::{LlmKeys, LlmRequest, Performed, Price, RecordPolicy, Took};

use super::{
    CallGate,
    intent::OpenIntent,
    judge::{Judge, denied},
    kept::of_json,
    notes::{Notes, Stage},
    plan::{Act, describe},
};
use crate::{
    clock,
    spending::{DayBudgets, Exhausted, Payer, Reservation},
};

/// Characters of a request or completion that the trail keeps.
const RECORD_CHARS_MAX: usize = 4_096;
/// Longest word that is not taken for a key.
const WORD_CHARS_MAX: usize = 20;

/// What may be taken of one binding, and what is told about it.
#[derive(Debug)]
pub(crate) struct Models {
    prices: std::collections::BTreeMap<String, Price>,
    output_tokens_max: u64,
    input_tokens_max: u64,
    budgets: DayBudgets,
    pub(super) record: RecordPolicy,
}

impl Models {
    pub(crate) fn new(keys: &LlmKeys) -> Self {
        Self {
            prices: keys.models.clone(),
            output_tokens_max: keys.output_tokens(),
            input_tokens_max: keys.input_tokens(),
            budgets: DayBudgets { app: keys.app_day(), all: keys.day() },
            record: keys.record,
        }
    }

    /// Whether anything of a whole day is bounded.
    pub(crate) fn has_daily_budgets(&self) -> bool {
        let DayBudgets { app, all } = self.budgets;
        [app.tokens, app.cost_micros, all.tokens, all.cost_micros].iter().any(|most| *most < u64::MAX)
    }

    fn price(&self, model: &str) -> Result<Price, HostError> {
        self.prices.get(model).copied().ok_or_else(|| {
            let known = self.prices.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let rule = format!("the binding lists the models {known}, and not the one that was asked for");
            denied(Reason::ModelDenied, rule, "ask for one of them, or ask the operator to add to `models`")
        })
    }

    fn check_input(&self, found: u64) -> Result<(), HostError> {
        if found <= self.input_tokens_max {
            return Ok(());
        }
        let most = self.input_tokens_max;
        let text = format!("the request has about {found} tokens, `input_tokens_max` of the binding is {most}");
        Err(HostError::BadRequest(text))
    }
}

/// A completion that comes as it is made keeps these until it has ended.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) reservation: Reservation,
    pub(super) price: Price,
    pub(super) record: RecordPolicy,
}

impl Paid {
    /// What it came to, for the books and for the trail.
    pub(super) fn settle(self, took: Took) -> Spending {
        let taken = match took {
            Took::Nothing => Some(airlock_model::Spent::default()),
            Took::Known(usage) => Some(self.price.of(usage)),
            Took::Unknown => None,
        };
        self.reservation.settle(taken)
    }
}

/// A completion that may be asked for, if there is money left.
pub(crate) struct Priced<'a> {
    models: &'a Models,
    prompt: Prompt,
    price: Price,
    max_tokens: u64,
    /// The most that it can come to.
    most: Spent,
    payer: Payer,
}

impl<'a> Judge<'a> {
    /// Whether a completion may be asked for, and what it can cost.
    pub(crate) fn completion(&self, call: &LlmCall, notes: &mut Notes) -> Result<Priced<'a>, HostError> {
        notes.at(Stage::Resource);
        let models = self.settings.models(&call.resource, &self.deployed.environment);
        let models = models.ok_or_else(|| self.unbound(&call.resource))?;
        notes.passed(|| self.bound(&call.resource));
        self.check_grant(&call.resource, &Access::Complete, notes)?;
        notes.at(Stage::Model);
        notes.blame(|| self.binding_place(&call.resource, "models"));
        let prompt = Prompt::parse(&call.request).map_err(|why| HostError::BadRequest(why.to_string()))?;
        let price = models.price(&prompt.model)?;
        notes.event.target = Some(prompt.model.clone());
        notes.event.message = recorded(models.record, &text_of(&prompt));
        let input_tokens = prompt.tokens_estimate();
        models.check_input(input_tokens)?;
        let max_tokens = prompt.max_tokens.unwrap_or(models.output_tokens_max).min(models.output_tokens_max);
        let most = price.of(airlock_model::TokenUsage { input_tokens, output_tokens: max_tokens });
        notes.passed(|| {
            let rule =
                format!("the binding lists the model; at most {} tokens, of which {max_tokens} come back", most.tokens);
            (rule, self.binding_place(&call.resource, "models"))
        });
        Ok(Priced { models, prompt, price, max_tokens, most, payer: self.payer(call) })
    }

    /// Whether there is money left for it now. Takes none.
    pub(crate) fn check_spending(&self, priced: &Priced<'_>, notes: &mut Notes) -> Result<(), HostError> {
        notes.at(Stage::Spending);
        let resource = &priced.payer.resource;
        let afforded = self.backends.books.afford(&priced.payer, priced.most, priced.models.budgets);
        afforded.map_err(|why| {
            notes.blame(|| self.binding_place(resource, why.key));
            exhausted(why)
        })?;
        notes.passed(|| ("the budgets of today cover it".to_owned(), self.binding_place(resource, "tokens_per_day")));
        Ok(())
    }

    fn payer(&self, call: &LlmCall) -> Payer {
        Payer {
            resource: call.resource.clone(),
            environment: self.deployed.environment.clone(),
            tenant: self.principal.tenant.clone(),
            app: self.principal.app.clone(),
        }
    }
}

impl CallGate {
    pub(super) fn plan_llm(&self, call: LlmCall, notes: &mut Notes) -> Result<Act, HostError> {
        describe(&mut notes.event, &call.resource, "");
        let streams = call.verb == LlmVerb::Stream;
        notes.event.operation = Some(if streams { "complete-stream" } else { "complete" }.to_owned());
        self.keep_arguments(&mut notes.event, of_json(&call.request))?;
        // Money is spent: the intent is durable first.
        notes.has_effect = true;
        let Priced { models, prompt, price, max_tokens, most, payer } = self.judge().completion(&call, notes)?;
        let reservation = self.backends.books.reserve(&payer, most, models.budgets).map_err(exhausted)?;
        notes.event.spending = Some(Spending { reserved: reservation.amount(), settled: None });
        let paid = Paid { reservation, price, record: models.record };
        let request = LlmRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            prompt,
            max_tokens,
            deadline: self.deadline,
            egress: self.budget.egress(),
            now_unix_ms: clock::now_unix_ms(),
            trace: Some(self.trace_headers(notes)),
        };
        Ok(if streams { Act::CompleteInPieces(request, paid) } else { Act::Complete(request, paid) })
    }

    /// Asks for a whole completion, and settles what was reserved for it.
    pub(super) async fn complete(&self, request: LlmRequest, paid: Paid, open: &mut OpenIntent<'_>) -> Performed {
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        let paid = Paid { reservation: paid.reservation.sent(), ..paid };
        let record = paid.record;
        let completed = resources.complete(environment, request).await;
        let spending = paid.settle(completed.took);
        if let Some(event) = open.event() {
            event.message = completed.reply.as_ref().ok().and_then(|completion| recorded(record, &completion.text));
            event.spending = Some(spending);
        }
        let reply = completed.reply.map(airlock_model::HostReply::Completion);
        let is_outcome_unknown = completed.took == Took::Unknown && reply.is_err();
        Performed {
            egress_bytes: completed.egress_bytes,
            traffic: completed.traffic,
            is_outcome_unknown,
            ..Performed::without_egress(reply)
        }
    }
}

fn exhausted(why: Exhausted) -> HostError {
    let Exhausted { key, configured, used } = why;
    let unit = if key.contains("cost") { " (millionths of the currency)" } else { "" };
    let rule = format!("`{key}` of the binding is {configured}{unit}, this request could bring today to {used}");
    denied(
        Reason::SpendingExhausted,
        rule,
        "ask for less with `max_tokens`, wait until midnight UTC, or ask the operator",
    )
}

fn text_of(prompt: &Prompt) -> String {
    let message = |message: &Message| match message {
        Message::User { content } => format!("user: {content}"),
        Message::Assistant { content, .. } => format!("assistant: {content}"),
        Message::Tool { content, .. } => format!("tool: {content}"),
    };
    let system = prompt.system.iter().map(|text| format!("system: {text}"));
    system.chain(prompt.messages.iter().map(message)).collect::<Vec<_>>().join("\n")
}

/// What the trail keeps of a text.
pub(super) fn recorded(policy: RecordPolicy, text: &str) -> Option<String> {
    match policy {
        RecordPolicy::Hash => None,
        RecordPolicy::Redacted => Some(redacted(text).chars().take(RECORD_CHARS_MAX).collect()),
        RecordPolicy::Full => Some(text.chars().take(RECORD_CHARS_MAX).collect()),
    }
}

/// Without words that hold a digit or an `@`, begin with a capital, or are longer than words are.
fn redacted(text: &str) -> String {
    let hidden = |word: &str| {
        word.chars().any(|c| c.is_numeric() || c == '@')
            || word.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase)
            || word.chars().count() > WORD_CHARS_MAX
    };
    let shown = |part: &str| {
        let word = part.trim_end();
        let space = part.get(word.len()..).unwrap_or_default();
        if hidden(word) { format!("[..]{space}") } else { part.to_owned() }
    };
    text.split_inclusive(char::is_whitespace).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_keeps_what_the_policy_says() {
        let text = "please write to Ada at ada@example.com\nabout invoice 4711 and sk_live_abcdefghijklmnop";
        assert_eq!(recorded(RecordPolicy::Hash, text), None);
        assert_eq!(recorded(RecordPolicy::Full, text).as_deref(), Some(text));
        let kept = "please write to [..] at [..]\nabout invoice [..] and [..]";
        assert_eq!(recorded(RecordPolicy::Redacted, text).as_deref(), Some(kept));
        assert_eq!(recorded(RecordPolicy::Full, &"x".repeat(10_000)).map(|text| text.len()), Some(RECORD_CHARS_MAX));
    }
}
