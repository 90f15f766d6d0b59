use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

fn parse(line: &str) -> Result<Command, clap::Error> {
    let cli = Cli::try_parse_from(line.split_whitespace())?;
    Ok(cli.command.unwrap_or(Command::Start(cli.start)))
}

#[test]
fn without_a_subcommand_a_node_is_started() {
    for line in [
        "odeon",
        "odeon --data x --listen :0",
        "odeon start --set a=b",
        "odeon -c file",
    ] {
        assert!(matches!(parse(line), Ok(Command::Start(_))), "{line}");
    }
    assert!(matches!(parse("odeon topic list"), Ok(Command::Topic(_))));
    assert!(matches!(
        parse("odeon consume t --from -5"),
        Ok(Command::Consume(_))
    ));
}

#[test]
fn every_command_explains_itself() {
    fn visit(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} has no help");
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{path} {} has no help",
                argument.get_id()
            );
        }
        for subcommand in command.get_subcommands() {
            visit(subcommand, &path);
        }
    }
    let mut command = Cli::command();
    command.build();
    visit(&command, "");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "odeon nonsense",
        "odeon topic create",
        "odeon topic create t --partitions 0",
        "odeon topic create t --config x",
        "odeon produce",
        "odeon produce t --acks 2",
        "odeon produce t --compression rar",
        "odeon consume t --format %q",
        "odeon consume t --from yesterday",
        "odeon consume t --group g --partitions 1",
        "odeon group reset-offsets g",
        "odeon --data x topic list",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
