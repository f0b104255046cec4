mod garbage;
mod login;
mod messages;
mod parameters;
mod placeholders;
mod settings;
mod shape;
mod values;
