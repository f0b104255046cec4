//! What is written down while a host call is judged: for the trail, and for whoever wants every step explained.

use airlock_model::AuditEvent;

/// One question that is asked about a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Whether the call's size fits its budget.
    Budget,
    /// Whether the environment binds the resource.
    Resource,
    /// Whether a transaction can be opened.
    Transaction,
    /// What a statement or document is.
    Analysis,
    /// Where an HTTP request goes.
    Egress,
    /// Whether token, function and environment cover it.
    Grants,
    /// Whether the revision lists the text.
    Statements,
    /// Whether the environment lets functions write.
    Writes,
    /// Whether a document asks for too much.
    Cost,
    /// Whether the model may be used.
    Model,
    /// Whether there is money left.
    Spending,
    /// Whether a person has to see it first.
    Approval,
    /// Whether the address may be connected to.
    Address,
}

impl Stage {
    /// The stable name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Resource => "resource",
            Self::Transaction => "transaction",
            Self::Analysis => "analysis",
            Self::Egress => "egress",
            Self::Grants => "grants",
            Self::Statements => "statements",
            Self::Writes => "writes",
            Self::Cost => "cost",
            Self::Model => "model",
            Self::Spending => "spending",
            Self::Approval => "approval",
            Self::Address => "address",
        }
    }
}

/// A question that was answered with yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) stage: Stage,
    pub(crate) rule: String,
    /// Where it is written; empty for what is built in.
    pub(crate) place: String,
}

/// The steps of one judgement. The last `at` without a `passed` is what said no.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) passed: Vec<Passed>,
    at: Option<Stage>,
    blamed: String,
}

impl Steps {
    /// The question that was asked last, and where its answer is written.
    pub(crate) fn last(&self) -> (Option<Stage>, &str) {
        (self.at, &self.blamed)
    }
}

/// What one judgement leaves behind beside its verdict.
pub(crate) struct Notes {
    /// Describes the call, for the trail.
    pub(crate) event: AuditEvent,
    /// Whether the world changes when the call is performed. Until it is known to read, it may.
    pub(crate) has_effect: bool,
    /// The gate wants no steps, and then none are put into words.
    steps: Option<Steps>,
}

impl Notes {
    /// For the gate.
    pub(crate) fn for_trail(event: AuditEvent) -> Self {
        Self { event, has_effect: true, steps: None }
    }

    /// For an explanation.
    pub(crate) fn of_steps(event: AuditEvent) -> Self {
        Self { event, has_effect: true, steps: Some(Steps::default()) }
    }

    /// From here on, a no is the answer to this question.
    pub(crate) fn at(&mut self, stage: Stage) {
        if let Some(steps) = &mut self.steps {
            (steps.at, steps.blamed) = (Some(stage), String::new());
        }
    }

    /// Where it is written what will have said no.
    pub(crate) fn blame(&mut self, place: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.blamed = place();
        }
    }

    /// The answer was yes, by that rule, which is written there.
    pub(crate) fn passed(&mut self, rule: impl FnOnce() -> (String, String)) {
        if let Some(steps) = &mut self.steps
            && let Some(stage) = steps.at
        {
            let (rule, place) = rule();
            steps.passed.push(Passed { stage, rule, place });
        }
    }

    /// What there is to explain.
    pub(crate) fn into_steps(self) -> Steps {
        self.steps.unwrap_or_default()
    }
}
