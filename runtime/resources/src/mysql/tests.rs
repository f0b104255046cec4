mod garbage;
mod login;
mod messages;
mod parameters;
mod settings;
mod shape;
mod values;
